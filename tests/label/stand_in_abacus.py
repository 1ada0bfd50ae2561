"""A stand-in for ABACUS: refuses an input that is not valid and consistent, replays a recorded log or makes a toy one.

Standard library only, and none of PFD-kit's own code: a mistake in what is written must not be read back by its twin.
Usage: stand_in_abacus.py MODE[,MODE...] STATE [RECORDED]; in the folder of the input. STATE counts the runs; a mode
``NAME@2`` holds for the first two runs only. ``old``, ``v3`` and ``new`` choose the layout of the log.
"""

import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from abacus_files import EDITS, toy

NEEDED = """
suffix calculation basis_type ntype stru_file kpoint_file pseudo_dir ecutwfc scf_thr scf_nmax mixing_beta
smearing_method cal_force cal_stress
"""
KNOWN = f"""
{NEEDED} esolver_type orbital_dir smearing_sigma init_chg nspin nupdown nelec dft_plus_u orbital_corr hubbard_u
efield_flag dip_cor_flag efield_dir efield_amp mixing_beta_mag mixing_type symmetry ks_solver vdw_method dft_functional
"""


def refuse(text):
    line = " ---------------------------------------------------------\n"
    print(
        f" \n{line}                         !NOTICE!\n{line} \n {text}\n CHECK IN FILE : OUT.pfd/warning.log\n \n{line}"
    )
    sys.exit(1)


def read_input():
    lines = Path("INPUT").read_text().splitlines()
    if lines[0] != "INPUT_PARAMETERS":
        refuse("INPUT must begin with INPUT_PARAMETERS")
    keys = {line.split()[0]: line.split(maxsplit=1)[1].strip() for line in lines[1:]}
    for key in keys:
        if key not in KNOWN.split():
            refuse(f"THE PARAMETER NAME '{key}' IS NOT USED!")
    for key in NEEDED.split():
        if key not in keys:
            refuse(f"INPUT lacks {key}")
    return keys


def read_stru(keys):
    text = Path(keys["stru_file"]).read_text()
    sections = dict(re.findall(r"^([A-Z_]{6,})\n(.*?)(?=^[A-Z_]{6,}$|\Z)", text, re.MULTILINE | re.DOTALL))
    species = [line.split() for line in sections["ATOMIC_SPECIES"].split("\n") if line]
    if len(species) != int(keys["ntype"]):
        refuse("ntype does not fit STRU")
    valence = {}
    for element, _, file in species:
        path = Path(keys["pseudo_dir"]) / file
        if not path.is_file():
            refuse(f"Couldn't find pseudopotential file:: {file}")
        header = path.read_text()
        if f'element="{element}"' not in header:
            refuse(f"{file} is not of {element}")
        valence[element] = float(re.search(r'z_valence="([\d.]+)"', header)[1])
    if (keys["basis_type"] == "lcao") != ("NUMERICAL_ORBITAL" in sections):
        refuse("NUMERICAL_ORBITAL is needed with orbitals, and only then")
    orbitals = sections.get("NUMERICAL_ORBITAL", "").split()
    for (element, *_), file in zip(species, orbitals, strict=bool(orbitals)):
        if not re.search(rf"Element\s+{element}\b", (Path(keys["orbital_dir"]) / file).read_text()):
            refuse(f"{file} is not of {element}")
    unit = float(sections["LATTICE_CONSTANT"])
    vectors = [[float(word) for word in line.split()] for line in sections["LATTICE_VECTORS"].split("\n") if line]
    return (unit, vectors, *read_positions(sections["ATOMIC_POSITIONS"], [name for name, *_ in species]), valence)


def read_positions(text, species):
    lines = [line for line in text.split("\n") if line]
    if lines.pop(0) != "Direct":
        refuse("only Direct is understood here")
    symbols, rows, moments = [], [], []
    for element in species:
        name, _, count = lines.pop(0), float(lines.pop(0)), int(lines.pop(0))
        if name != element:
            refuse("Label read in is not the same as in ATOMIC_SPECIES")
        for _ in range(count):
            words = lines.pop(0).split()
            symbols.append(element)
            rows.append([float(word) for word in words[:3]])
            if words[3:7] != ["m", "1", "1", "1"]:
                refuse("an atom is held fast")
            moments += [float(words[words.index("mag") + 1])] if "mag" in words else []
    if lines or len(moments) not in {0, len(rows)}:
        refuse("STRU holds more atoms than it says, or moments of some only")
    return symbols, rows, moments


def check(keys, symbols, moments, valence):
    if keys["calculation"] != "scf" or keys["cal_force"] != "1" or keys["cal_stress"] not in {"0", "1"}:
        refuse("this is no static run with forces")
    if (moments or "nupdown" in keys) and keys.get("nspin") != "2":
        refuse("moments need nspin 2")
    if keys["smearing_method"] not in {"gauss", "mv", "mp", "fd", "fixed"}:
        refuse("unknown smearing_method")
    for key in ("orbital_corr", "hubbard_u"):
        if (key in keys) != (keys.get("dft_plus_u") == "1") or (
            key in keys and len(keys[key].split()) != int(keys["ntype"])
        ):
            refuse(f"{key} does not fit ntype")
    if "nelec" in keys and abs(float(keys["nelec"]) - sum(valence[symbol] for symbol in symbols)) > 3:
        refuse("nelec is far from the valence electrons")
    mesh = Path(keys["kpoint_file"]).read_text().split("\n")
    if mesh[0] != "K_POINTS" or mesh[1] != "0" or mesh[2] != "Gamma" or len(mesh[3].split()) != 6:
        refuse("Error in the KPT file")


def replay(path, keys, unit, vectors, symbols, rows):
    """The recorded log, if it is of this geometry and cutoff."""
    log = Path(path).read_text()
    sites = re.findall(r"tauc_([A-Z][a-z]?)\d+\s+(\S+)\s+(\S+)\s+(\S+)", log)
    places = [[sum(row[k] * vectors[k][axis] for k in range(3)) for axis in range(3)] for row in rows]
    same = [symbol for symbol, *_ in sites] == symbols and all(
        abs((float(word) - number) % 1.0 - 0.5) > 0.5 - 1e-7
        for site, place in zip(sites, places, strict=True)
        for word, number in zip(site[1:], place, strict=True)
    )
    cutoff = float(re.search(r"energy cutoff for wavefunc \(unit:Ry\) = (\S+)", log)[1])
    if not same or unit != 10 or cutoff != float(keys["ecutwfc"]):
        sys.exit("no recording of this geometry and cutoff")
    return log


WORDS = {
    "close": "The structure is unreasonable! Some atoms are too close",
    "in-cycle": "NaN in the charge density",
}


def log_of(modes, keys, recorded, unit, vectors, symbols, rows):
    dialect = next((mode for mode in modes if mode in {"old", "v3", "new"}), "v3")
    limit = int(keys["scf_nmax"])
    if recorded:
        log = replay(recorded, keys, unit, vectors, symbols, rows)
    else:
        log = toy(dialect, keys, unit, vectors, symbols, rows, limit if "unconverged" in modes else min(5, limit))
    failed = {"old": "failed", "v3": "failed-v3", "new": "failed-new"}[dialect]
    for mode in modes:
        log = EDITS.get(failed if mode == "unconverged" else mode, lambda text: text)(log)
    return EDITS["cut-in-cycle"](log) if set(modes) & {"disk", "in-cycle"} else log


def main(modes, state, recorded=None):
    counter = Path(state)
    number = len(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text("x" * number)
    modes = [mode.partition("@")[0] for mode in modes.split(",") if number <= int(mode.partition("@")[2] or 10**6)]
    if "none" in modes:
        return 0
    keys = read_input()
    unit, vectors, symbols, rows, moments, valence = read_stru(keys)
    check(keys, symbols, moments, valence)
    if "close" in modes:
        refuse(WORDS["close"])
    folder = Path(f"OUT.{keys['suffix']}")
    folder.mkdir()
    (folder / "running_scf.log").write_text(log_of(modes, keys, recorded, unit, vectors, symbols, rows))
    echo = {**keys, "ecutwfc": "77"} if "other-settings" in modes else keys
    (folder / "INPUT").write_text("".join(f"{key:<20}{value} #\n" for key, value in echo.items()))
    if "in-cycle" in modes:
        refuse(WORDS["in-cycle"])
    if "hang" in modes:
        time.sleep(600)
    if "killed" in modes:
        os.kill(os.getpid(), 9)
    return "write: No space left on device" if "disk" in modes else int("code1" in modes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
