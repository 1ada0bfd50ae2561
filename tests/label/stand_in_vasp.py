"""A stand-in for VASP: refuses an input that is not valid and consistent, replays a recorded run or computes a toy one.

Standard library only, and none of PFD-kit's own code: a mistake in what is written must not be read back by its twin.
Usage: stand_in_vasp.py MODE[,MODE...] STATE [RECORDED]; in the folder of the input. STATE counts the runs; a mode
``NAME@2`` holds for the first two runs only.
"""

import math
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from vasp_files import EDITS, replay, toy

KNOWN = """
SYSTEM PREC ENCUT EDIFF NELM NELMIN NELMDL ISIF ISMEAR SIGMA NSW IBRION ISTART ICHARG LWAVE LCHARG ISPIN MAGMOM NUPDOWN
NELECT ALGO IALGO AMIX BMIX AMIX_MAG BMIX_MAG TIME LDAU LDAUTYPE LDAUL LDAUU LDAUJ LMAXMIX LREAL LASPH GGA METAGGA
LORBIT LMIXTAU IVDW ISYM LDIPOL IDIPOL DIPOL LNONCOLLINEAR LSORBIT NBANDS KPAR NCORE LDAUPRINT
"""
NEEDED = ["PREC", "ENCUT", "EDIFF", "NELM", "ISIF", "ISMEAR", "NSW", "IBRION", "LWAVE", "LCHARG"]
BOX = " -----------------------------------------------------------------------------\n"


def refuse(text):
    print(BOX + "|" + " " * 77 + "|")
    print("|     EEEEEEE  RRRRRR   RRRRRR   OOOOOOO  RRRRRR      ###     ###     ###     |")
    print("|     EEEEE    RRRRRR   RRRRRR   O     O  RRRRRR       #       #       #      |")
    for line in [text[start : start + 67] for start in range(0, len(text), 67)]:
        print(f"|     {line:<72}|")
    print("|       ---->  I REFUSE TO CONTINUE WITH THIS SICK JOB ... BYE!!! <----       |")
    print(BOX)
    sys.exit(1)


def read_incar():
    text = re.sub(r"\\\s*\n", " ", Path("INCAR").read_text())
    keys = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        keys[key.strip()] = value.split()
    for key in NEEDED:
        if key not in keys:
            refuse(f"INCAR lacks {key}")
    for key in keys:
        if key not in KNOWN.split():
            refuse(f"Error reading item '{key}' from file INCAR.")
    for key, written in keys.items():
        words = []
        for word in written:
            count, star, part = word.partition("*")
            words += [part] * int(count) if star else [word]
        keys[key] = words
    return keys


def read_poscar():
    lines = Path("POSCAR").read_text().splitlines()
    scale = float(lines[1])
    cell = [[scale * float(word) for word in line.split()] for line in lines[2:5]]
    symbols, counts = lines[5].split(), [int(word) for word in lines[6].split()]
    if len(symbols) != len(counts) or len(set(symbols)) != len(symbols):
        refuse("the species of POSCAR do not fit their counts")
    if lines[7].strip() != "Direct":
        refuse("POSCAR: expected Direct")
    rows = [[float(word) for word in line.split()] for line in lines[8:]]
    if len(rows) != sum(counts) or any(len(row) != 3 for row in rows):
        refuse("POSCAR: the number of positions is not the number of atoms")
    (a, b, c), (d, e, f), (g, h, i) = cell
    if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) <= 0:
        refuse("the triple product of the basis vectors is negative exchange two basis vectors")
    return cell, [name for name, count in zip(symbols, counts, strict=True) for _ in range(count)], rows, symbols


def read_potcar(symbols):
    text = Path("POTCAR").read_text()
    sets = [each for each in text.split("End of Dataset\n") if each.strip()]
    found = [re.search(r"VRHFIN\s*=\s*(\w+)", each)[1] for each in sets]
    if found != symbols:
        refuse(f"POTCAR is of {' '.join(found)} and POSCAR of {' '.join(symbols)}")
    return dict(zip(found, (float(re.search(r"ZVAL\s*=\s*([\d.]+)", each)[1]) for each in sets), strict=True))


def read_kpoints():
    lines = Path("KPOINTS").read_text().splitlines()
    if lines[1].strip() != "0" or lines[2].strip()[0].lower() not in "gm":
        refuse("Error reading KPOINTS file")
    return [int(word) for word in lines[3].split()]


def check(incar, symbols, species, mesh):
    if incar["NSW"] != ["0"] or incar["IBRION"] != ["-1"] or int(incar["ISIF"][0]) < 2:
        refuse("this is no static run with stress")
    vectors = 3 if incar.get("LNONCOLLINEAR") == [".TRUE."] or incar.get("LSORBIT") == [".TRUE."] else 1
    if "MAGMOM" in incar and (
        len(incar["MAGMOM"]) != vectors * len(symbols) or (vectors == 1 and incar.get("ISPIN") != ["2"])
    ):
        refuse("Error reading item 'MAGMOM' from file INCAR.")
    for key in ("LDAUL", "LDAUU", "LDAUJ"):
        if (key in incar) != ("LDAU" in incar) or (key in incar and len(incar[key]) != len(species)):
            refuse(f"Error reading item '{key}' from file INCAR.")
    if incar["ISMEAR"] == ["-5"] and math.prod(mesh) < 4:
        refuse("Tetrahedron method fails (number of k-points < 4)")


WORDS = {
    "zhegv": " Error EDDDAV: Call to ZHEGV failed. Returncode =   7 2   8\n",
    "brmix": " BRMIX: very serious problems\n the old and the new charge density differ\n",
    "few-bands": "|      unoccupied bands, you have included TOO FEW BANDS!! Please increase    |\n",
    "symmetry": " VERY BAD NEWS! internal error in subroutine SGRCON:\n Found some non-integer element\n",
    "disk": " forrtl: severe (38): error during write, unit 12, file ./WAVECAR\n No space left on device\n",
    "segfault": " forrtl: severe (174): SIGSEGV, segmentation fault occurred\n",
    "crash-in-cycle": " forrtl: severe (174): SIGSEGV, segmentation fault occurred\n",
    "stop-in-cycle": " ERROR FEXCP: supplied Exchange-correlation table is too small\n",
    "mpi-killed": " =   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n KILLED BY SIGNAL: 9 (Killed)\n",
}


def main(modes, state, recorded=None):
    counter = Path(state)
    number = len(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text("x" * number)
    modes = [mode.partition("@")[0] for mode in modes.split(",") if number <= int(mode.partition("@")[2] or 10**6)]
    if "none" in modes:
        return 0
    incar = read_incar()
    cell, symbols, rows, species = read_poscar()
    read_potcar(species)
    check(incar, symbols, species, read_kpoints())
    for mode in modes:
        sys.stdout.write(WORDS.get(mode, ""))
    sys.stdout.flush()
    if set(modes) & {"symmetry", "segfault", "mpi-killed"}:
        return 1
    limit = int(incar["NELM"][0])
    steps = limit if "unconverged" in modes else min(5, limit)
    if recorded:
        vasprun, outcar = replay(Path(recorded), incar, cell, symbols, rows)
    else:
        vasprun, outcar = toy(incar, cell, symbols, rows, steps)
    for mode in modes:
        if mode in EDITS:
            vasprun, outcar = EDITS[mode](vasprun, outcar)
    stopped = {"zhegv", "disk", "crash-in-cycle", "stop-in-cycle"} & set(modes)
    if stopped:
        vasprun, outcar = EDITS["cut-in-cycle"](vasprun, outcar)
    Path("vasprun.xml").write_text(vasprun)
    Path("OUTCAR").write_text(outcar)
    if "hang" in modes:
        time.sleep(600)
    if "killed" in modes:
        os.kill(os.getpid(), 9)
    return 1 if stopped or "code1" in modes else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
