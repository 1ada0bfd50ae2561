"""What a stand-in for VASP writes: vasprun.xml and OUTCAR of a toy, or of a recorded run, and ways to spoil them.

Standard library only: see ``stand_in_vasp``.
"""

import math
import re
import sys
import xml.etree.ElementTree as ET


def force(symbol, row):
    return [math.sin(len(symbol) + 7.0 * row[(axis + 1) % 3] + 3.0 * axis + ord(symbol[0])) for axis in range(3)]


def fixed(numbers, width, decimals):
    return "".join(f"{number:{width}.{decimals}f}" for number in numbers)


def vectors(rows, indent="   "):
    return "".join(f"{indent}<v> {row[0]:16.8f} {row[1]:16.8f} {row[2]:16.8f} </v>\n" for row in rows)


def structure(cell, rows, name=""):
    name = f' name="{name}" ' if name else ""
    return (
        f' <structure{name}>\n  <crystal>\n   <varray name="basis" >\n{vectors(cell)}   </varray>\n  </crystal>\n'
        f'  <varray name="positions" >\n{vectors(rows)}  </varray>\n </structure>\n'
    )


def parameter(key, words):
    if len(words) == 1 and words[0].startswith("."):
        return f'  <i type="logical" name="{key}"> {words[0][1]}  </i>\n'
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return f'  <i type="string" name="{key}">{" ".join(words)}</i>\n'
    if len(numbers) == 1:
        whole = numbers[0].is_integer() and key not in {"ENCUT", "SIGMA", "EDIFF"}
        shown = f'type="int" name="{key}">{int(numbers[0]):6d}' if whole else f'name="{key}">{numbers[0]:16.8f}'
        return f"  <i {shown}</i>\n"
    return f'  <v name="{key}">{"".join(f"{number:16.8f}" for number in numbers)}</v>\n'


def toy(incar, cell, symbols, rows, steps):
    """vasprun.xml and OUTCAR in VASP's layout, with forces that depend on each atom and sum to zero."""
    raw = [force(symbol, row) for symbol, row in zip(symbols, rows, strict=True)]
    mean = [sum(each[axis] for each in raw) / len(raw) for axis in range(3)]
    forces = [[each[axis] - mean[axis] for axis in range(3)] for each in raw]
    free, zero, bars = -3.0 * len(symbols) - 0.01, -3.0 * len(symbols), [10.0, 20.0, 30.0, 1.0, 2.0, 3.0]
    stress = [[bars[0], bars[3], bars[5]], [bars[3], bars[1], bars[4]], [bars[5], bars[4], bars[2]]]
    energy = f'<energy>\n <i name="e_fr_energy"> {free:16.8f} </i>\n <i name="e_wo_entrp"> {zero:16.8f} </i>\n'
    energy += f' <i name="e_0_energy"> {zero:16.8f} </i>\n</energy>\n'
    keys = "".join(parameter(key, words) for key, words in incar.items())
    atoms = "".join(f"<rc><c>{symbol:2s}</c><c>{1:4d}</c></rc>\n" for symbol in symbols)
    cycle = f"<scstep>\n{energy}</scstep>\n" * steps
    vasprun = (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n <incar>\n{keys} </incar>\n'
        f' <parameters>\n{keys} </parameters>\n <atominfo>\n  <array name="atoms" >\n   <set>\n{atoms}   </set>\n'
        f'  </array>\n </atominfo>\n <kpoints>\n  <varray name="kpointlist" >\n{vectors([[0.0] * 3])}  </varray>\n'
        f" </kpoints>\n{structure(cell, rows, 'initialpos')} <calculation>\n{cycle}{structure(cell, rows)}"
        f'  <varray name="forces" >\n{vectors(forces)}  </varray>\n'
        f'  <varray name="stress" >\n{vectors(stress)}  </varray>\n'
        f"{energy} </calculation>\n{structure(cell, rows, 'finalpos')}</modeling>\n"
    )
    positions = [[sum(row[k] * cell[k][axis] for k in range(3)) for axis in range(3)] for row in rows]
    pairs = zip(positions, forces, strict=True)
    table = "".join(f"{fixed(place, 13, 5)} {fixed(pull, 14, 6)}\n" for place, pull in pairs)
    kinds = list(dict.fromkeys(symbols))
    spin, moments = int(incar.get("ISPIN", ["1"])[0]), [float(word) / 2 for word in incar.get("MAGMOM", [])]
    total = float(incar["NUPDOWN"][0]) if "NUPDOWN" in incar else sum(moments)
    magnetization = "\n\n magnetization (x)\n\n# of ion       s       p       d       tot\n" + "-" * 42 + "\n"
    magnetization += "".join(
        f"{index:5d}   0.0  0.0  {each:.3f}  {each:.3f}\n" for index, each in enumerate(moments, 1)
    )
    outcar = (
        " vasp.6.3.0 20Jan22 (stand-in) complex\n"
        + "".join(f"   VRHFIN ={kind}: s2\n" for kind in kinds)
        + f"   ions per type =  {' '.join(str(symbols.count(kind)) for kind in kinds)}\n"
        + f"   NELM   = {int(incar['NELM'][0]):6d};   NELMIN=  2; NELMDL= -5\n   ISPIN  = {spin:6d}\n"
        + "".join(f"----- Iteration      1({step:4d})  -----\n" for step in range(1, steps + 1))
        + (f" number of electron      36.0000000 magnetization       {total:.7f}\n" if spin == 2 else "")
        + "------------------------ aborting loop because EDIFF is reached ----------------------------------------\n"
        + "  FORCE on cell =-STRESS in cart. coord.  units (eV):\n"
        + (magnetization if incar.get("LORBIT") == ["11"] else "")
        + f"  in kB  {''.join(f'{bar:12.5f}' for bar in bars)}\n"
        + f" POSITION                                       TOTAL-FORCE (eV/Angst)\n {'-' * 83}\n{table} {'-' * 83}\n"
        + "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n  ---------------------------------------------------\n"
        + f"  free  energy   TOTEN  = {free:18.8f} eV\n\n"
        + f"  energy  without entropy= {zero:16.8f}  energy(sigma->0) = {zero:16.8f}\n"
        + " General timing and accounting informations for this job:\n"
    )
    return vasprun, outcar


def replay(folder, incar, cell, symbols, rows):
    """The recorded run, its atoms in POSCAR's order; anything else than its own geometry and settings has no answer."""
    tree = ET.parse(folder / "vasprun.xml")
    numbers = [[float(word) for word in v.text.split()] for v in tree.findall("structure[@name='initialpos']//v")]
    species = [entry[0].text.strip() for entry in tree.find("atominfo/array[@name='atoms']/set")]
    found = numbers[-len(species) :]
    order = []
    for symbol, row in zip(symbols, rows, strict=True):
        near = [
            index
            for index, (other, place) in enumerate(zip(species, found, strict=True))
            if other == symbol and all(abs(x - y - round(x - y)) < 1e-7 for x, y in zip(row, place, strict=True))
        ]
        if len(near) != 1:
            sys.exit("no recording of this geometry")
        order += near
    if any(
        abs(x - y) > 1e-7 for one, other in zip(cell, numbers[:3], strict=True) for x, y in zip(one, other, strict=True)
    ):
        sys.exit("no recording of this cell")
    for key in ("ENCUT", "ISMEAR", "SIGMA"):
        done = tree.find(f"incar/i[@name='{key}']")
        if done is not None and float(done.text) != float(incar[key][0]):
            sys.exit(f"no recording with this {key}")
    limit = rf"\g<1>{incar['NELM'][0]}"  # what the run would have said with this limit
    outcar = re.sub(r"(NELM +=\s*)\d+", limit, (folder / "OUTCAR").read_text())
    vasprun = re.sub(r'(name="NELM">\s*)\d+', limit, (folder / "vasprun.xml").read_text())
    if order == list(range(len(species))):
        return vasprun, outcar
    tree = ET.ElementTree(ET.fromstring(vasprun))
    blocks = [tree.find("atominfo/array[@name='atoms']/set"), *tree.iter("varray")]
    for block in blocks:
        if len(block) == len(species) and block.get("name") != "stress":
            block[:] = [list(block)[index] for index in order]
    lines = outcar.splitlines(keepends=True)
    begin = next(index for index, line in enumerate(lines) if "TOTAL-FORCE" in line) + 2
    lines[begin : begin + len(order)] = [lines[begin + index] for index in order]
    counts = [symbols.count(kind) for kind in dict.fromkeys(symbols)]
    outcar = re.sub(r"ions per type =.*", f"ions per type =  {' '.join(map(str, counts))}", "".join(lines))
    return '<?xml version="1.0" encoding="ISO-8859-1"?>\n' + ET.tostring(tree.getroot(), "unicode") + "\n", outcar


def first_rows(text, name, count):
    """Where the first ``count`` rows of the last block of that name stand."""
    begin = text.rindex(f'<varray name="{name}"')
    block = text[begin : text.index("</varray>", begin)]
    return [(match.start(), match.end()) for match in re.finditer(r"<v>.*?</v>", block)][:count], begin


def edit_rows(text, name, new):
    rows, begin = first_rows(text, name, len(new))
    for (start, end), row in reversed(list(zip(rows, new, strict=False))):
        text = text[: begin + start] + f"<v> {row} </v>" + text[begin + end :]
    return text


def row_texts(text, name, count):
    rows, begin = first_rows(text, name, count)
    return [text[begin + start + 3 : begin + end - 4].strip() for start, end in rows]


def in_calculation(text, change):
    """Change the part of vasprun.xml between <calculation> and its end."""
    start, end = text.index("<calculation>"), text.index("</calculation>")
    return text[:start] + change(text[start:end]) + text[end:]


def swapped(text):
    for name in ("positions", "forces"):
        rows = row_texts(text, name, 10**6)
        text = edit_rows(text, name, [rows[-1], *rows[1:-1], rows[0]])
    return text


def swapped_rows(outcar):
    lines = outcar.splitlines(keepends=True)
    first = next(index for index, line in enumerate(lines) if "TOTAL-FORCE" in line) + 2
    last = next(index for index in range(first, len(lines)) if "---" in lines[index]) - 1
    lines[first], lines[last] = lines[last], lines[first]
    return "".join(lines)


def swapped_species(text):
    begin, end = text.index("<set>"), text.index("</set>")
    rows = text[begin:end].splitlines(keepends=True)
    rows[1], rows[-2] = rows[-2], rows[1]
    return text[:begin] + "".join(rows) + text[end:]


def moved(text):
    first = row_texts(text, "positions", 1)[0].split()
    return edit_rows(text, "positions", [f"{float(first[0]) + 0.001:.8f} {first[1]} {first[2]}"])


EDITS = {
    "nan": lambda x, o: (in_calculation(x, lambda t: edit_rows(t, "forces", ["NaN 0.0 0.0"])), o),
    "stars": lambda x, o: (in_calculation(x, lambda t: edit_rows(t, "forces", ["******** 0.0 0.0"])), o),
    "other-geometry": lambda x, o: (in_calculation(x, moved), o),
    "other-cell": lambda x, o: (in_calculation(x, lambda t: edit_rows(t, "basis", ["9.5 0.0 0.0"])), o),
    "wrong-order": lambda x, o: (in_calculation(x, swapped), swapped_rows(o)),
    "wrong-species": lambda x, o: (swapped_species(x), o),
    "other-energy": lambda x, o: (x, re.sub(r"(free  energy   TOTEN  = *-)", r"\g<1>1", o)),
    "other-settings": lambda x, o: (re.sub(r'(name="ENCUT">\s*)\d', r"\g<1>9", x), o),
    "no-stress": lambda x, o: (re.sub(r'<varray name="stress" ?>.*?</varray>', "", x, flags=re.DOTALL), o),
    "no-forces": lambda x, o: (re.sub(r'<varray name="forces" ?>.*?</varray>', "", x, flags=re.DOTALL), o),
    "two-geometries": lambda x, o: (re.sub(r"(<calculation>.*</calculation>)", r"\1\n\1", x, flags=re.DOTALL), o),
    "said": lambda x, o: (x, o.replace("EDIFF is reached", "EDIFF was not reached (unconverged)!")),
    "cut-in-cycle": lambda x, o: (x[: x.rindex("<scstep>")], o[: o.rindex("Iteration") + 12]),
    "cut-after-forces": lambda x, o: (x[: x.index("</varray>", x.rindex('"forces"'))], o[: o.rindex("  FREE ENERGIE")]),
    "cut-vasprun": lambda x, o: (x[: x.rindex("</modeling>")], o),
    "cut-outcar": lambda x, o: (x, o[: o.index(" General timing")]),
    "empty": lambda x, o: ("", ""),
}
