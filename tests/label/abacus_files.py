"""What a stand-in for ABACUS writes: running_scf.log of a toy in the layouts of three versions, and ways to spoil it.

Standard library only: see ``stand_in_abacus``.
"""

import math
import re

RULE = " " + "-" * 60 + "\n"


def force(symbol, row):
    return [math.sin(len(symbol) + 7.0 * row[(axis + 1) % 3] + 3.0 * axis + ord(symbol[0])) for axis in range(3)]


def toy(dialect, keys, unit, vectors, symbols, rows, steps):
    """A log in the layout of ABACUS 2.1 (``old``), 3.7 (``v3``) or the development version (``new``)."""
    rows = [[number % 1.0 for number in row] for row in rows]  # ABACUS puts atoms into the cell
    raw = [force(symbol, row) for symbol, row in zip(symbols, rows, strict=True)]
    mean = [sum(each[axis] for each in raw) / len(raw) for axis in range(3)]
    forces = [[each[axis] - mean[axis] for axis in range(3)] for each in raw]
    energy = -100.0 * len(symbols) - 0.01
    labels = []
    for symbol in dict.fromkeys(symbols):
        labels += [f"{symbol}{index}" for index in range(1, symbols.count(symbol) + 1)]
    cell = "".join(" " + "".join(f"{number:+20.6g}" for number in vector) + "\n" for vector in vectors)
    text = f"         lattice constant (Bohr) = {unit:.6g}\n               TOTAL ATOM NUMBER = {len(symbols)}\n"
    text += positions(dialect, unit, vectors, symbols, labels, rows)
    text += f"\n Lattice vectors: (Cartesian coordinate: in unit of a_0)\n{cell}"
    for step in range(1, steps + 1):
        text += {
            "old": f"\n PW ALGORITHM --------------- ION=   1  ELEC={step:4d}--------------------------------\n",
            "v3": f"\n LCAO ALGORITHM --------------- ION=   1  ELEC={step:4d}--------------------------------\n",
            "new": f"\n --> IONIC RELAXATION STEP=     1  ELECTRONIC ITERATION STEP={step:6d}\n",
        }[dialect]
        text += f" E_KohnSham     {energy / 13.605698:.10f}     {energy:.10f}\n"
    if dialect != "old":
        text += f" E_KS(sigma->0) {(energy + 0.005) / 13.605698:.10f}     {energy + 0.005:.10f}\n"
    if str(keys.get("nspin")) == "2":
        text += f"      total magnetism (Bohr mag/cell) = {keys.get('nupdown', 1.5)}\n"
    text += {
        "old": f" charge density convergence is achieved\n final etot is {energy:.12f} eV\n",
        "v3": f"\n charge density convergence is achieved\n final etot is {energy:.9f} eV\n",
        "new": f" #SCF IS CONVERGED#\n #TOTAL ENERGY# {energy:.9f} eV\n",
    }[dialect]
    text += tables(dialect, labels, forces, keys.get("cal_stress") == "1")
    text += f"\n{RULE} !FINAL_ETOT_IS {energy:.16f} eV\n{RULE}\n"
    times = {"Start  Time": "Fri May  7 16:18:50 2021", "Finish Time": "Fri May  7 16:19:08 2021"}
    return text + "".join(f" {what}  : {when}\n" for what, when in times.items()) + " Total  Time  : 18 secs\n"


def positions(dialect, unit, vectors, symbols, labels, rows):
    if dialect == "old":
        places = [[sum(row[k] * vectors[k][axis] for k in range(3)) for axis in range(3)] for row in rows]
        title, names = f" CARTESIAN COORDINATES ( UNIT = {unit:g} Bohr ).", [f"      tauc_{label}" for label in labels]
        shown = [columns(place, 20, 12) + "       0" for place in places]
    elif dialect == "v3":
        title, names = "DIRECT COORDINATES", [f"taud_{label}" for label in labels]
        shown = [columns([*row, 0.0, 0.0, 0.0, 0.0], 20, 10) for row in rows]
    else:
        title, names = " DIRECT COORDINATES", [f"{symbol:>5s}" for symbol in symbols]
        shown = [columns(row, 19, 12) + "  0.0000" for row in rows]
    lines = "".join(f"{name}{numbers}\n" for name, numbers in zip(names, shown, strict=True))
    return f"{title}\n    atom    x    y    z   mag\n{lines}"


def tables(dialect, labels, forces, stressed):
    bars = [[10.0, 1.0, 3.0], [1.0, 20.0, 2.0], [3.0, 2.0, 30.0]]
    mark = "#" if dialect == "new" else ""
    columns_of = {
        "old": "     atom     x     y     z\n",
        "v3": "",
        "new": f"{RULE}  Atoms  Force_x  Force_y  Force_z\n{RULE}",
    }
    text, heading = "", columns_of[dialect]
    if dialect == "old":  # which prints them twice
        rydberg = zip(labels, [[number / 25.7 for number in row] for row in forces], strict=True)
        text += "\n TOTAL-FORCE (Ry/Bohr)\n\n" + heading
        text += "".join(f"       {label}{columns(row, 15, 6)}\n" for label, row in rydberg)
    text += f"\n {mark}TOTAL-FORCE (eV/Angstrom){mark}\n{heading}"
    pulls = zip(labels, forces, strict=True)
    text += "".join(f"{label:>8s}{columns(row, 20, 10)}\n" for label, row in pulls) + RULE
    if stressed:
        text += f"\n {mark}TOTAL-STRESS (KBAR){mark}\n{RULE}"
        text += f"{'  Stress_x  Stress_y  Stress_z' + chr(10) + RULE if dialect == 'new' else ''}"
        text += "".join(f"{columns(row, 20, 10)}\n" for row in bars) + RULE
    return text


def columns(numbers, width, decimals):
    return "".join(f" {number:{width - 1}.{decimals}f}" for number in numbers)


def first_force(log, row):
    begin = log.index("(eV/Angstrom)")
    return log[:begin] + re.sub(r"(\n\s*[A-Z][a-z]?1)\s+\S+\s+\S+\s+\S+", rf"\g<1>  {row}", log[begin:], count=1)


def lines_swapped(log, pattern):
    """The first and the last of the lines that fit, exchanged but for their labels."""
    lines = log.splitlines(keepends=True)
    found = [index for index, line in enumerate(lines) if re.match(pattern, line)]
    one, other = lines[found[0]], lines[found[-1]]
    label = re.compile(r"^\s*\S+")
    lines[found[0]] = label.match(one)[0] + other[label.match(other).end() :]
    lines[found[-1]] = label.match(other)[0] + one[label.match(one).end() :]
    return "".join(lines)


def moved(log):
    found = re.search(rf"(?m)^{SITE}", log)
    words = found[0].split()
    words[1] = f"{float(words[1]) + 0.01:.12f}"
    return log[: found.start()] + " ".join(words) + log[found.end() :]


SITE = r"\s*(?:tau[cd]_[A-Z][a-z]?\d+|[A-Z][a-z]?)(\s+-?\d+\.\d+){3}"
EDITS = {
    "nan": lambda log: first_force(log, "nan  0.1  0.1"),
    "stars": lambda log: first_force(log, "*******  0.1  0.1"),
    "other-geometry": moved,
    "other-cell": lambda log: re.sub(r"(unit of a_0\)\n\s*)\S+", r"\g<1>+0.5", log),
    "wrong-order": lambda log: lines_swapped(log, SITE),
    "no-echo": lambda log: log.replace("COORDINATES", "WHATEVER"),
    "no-forces": lambda log: log.replace("TOTAL-FORCE", "TOTAL-WORK"),
    "no-stress": lambda log: log.replace("TOTAL-STRESS", "TOTAL-WORRY"),
    "no-energy": lambda log: log.replace("!FINAL_ETOT_IS", "!FINAL"),
    "failed": lambda log: re.sub(
        r" *charge density convergence is achieved\n.*\n", " convergence has NOT been achieved!\n", log
    ),
    "failed-v3": lambda log: re.sub(r" charge density .*\n.*\n", " !! convergence has not been achieved @_@\n", log),
    "failed-new": lambda log: re.sub(r" #SCF IS.*\n.*\n", " !!SCF IS NOT CONVERGED!!\n", log),
    "says-nothing": lambda log: re.sub(r"charge density convergence is achieved|#SCF IS CONVERGED#", "", log),
    "cut-in-cycle": lambda log: log[: log.index("E_KohnSham") + 20],
    "cut-after-forces": lambda log: log[: log.index("TOTAL-STRESS")],
    "cut-at-the-end": lambda log: log[: log.index(" Finish Time")],
    "empty": lambda log: "",
}
