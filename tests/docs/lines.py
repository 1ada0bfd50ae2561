"""How each line of shell in the docs is tested; a line that is not here fails the tests.

What stands for a user's own (``silicon``, ``RUN``, a checkpoint) is swapped for what the test's folder has.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from tests.docs.blocks import ROOT

SWAPS = {
    "silicon-dpa": "toy",
    "silicon": "toy",
    "anatase": "toy",
    "RUN": "toy",
    "TRAJ": "pool.extxyz",
    "chgnet:0.3.0": "toy:soft-copper",
    "deepmd:DPA-3.pt": "toy:soft-copper",
    "deepmd DPA-3.pt": "toy soft-copper",
    "--head Omat24": "",
    "chgnet pod tblite": "toy",
    "doctor deepmd": "doctor toy",
    "doctor chgnet pod vasp": "doctor toy",
    "doctor chgnet": "doctor toy",
    "--label tblite": "",
    "examples/toy/input.yaml": "input.yaml",
}
"""Words of the docs -> those of the test's folder."""


@dataclass(frozen=True)
class How:
    """What is done with a line.

    Attributes:
        kind: ``run`` it in this process; ``in order``: all lines with the same ``given``, in the order of the table and
            in one folder; ``process``: one of its own, which is looked for and ended again; ``check`` the input that it
            would submit; ``parsed``: the command line is taken apart, so that names and options are right, and nothing
            is started; ``not ours``: no command of pfd.
        code: the exit code of a ``run`` or ``check``, and of a line ``in order``.
        why: why a line is not run, and what tests it in its place.
        without: a file that is removed first.
        given: the fixture that makes what the line needs besides the folder.
        swaps: further words to be swapped.
        needs: markers of what must be installed.
    """

    kind: str
    code: int = 0
    why: str = ""
    without: str = ""
    given: str = ""
    swaps: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()


RUN = How("run")
BUILDS = How("in order", given="wheels")
BUILDS_TOO = How("parsed", why="as pfd env create mace, which is run; that it builds anything of this name is held too")
BACKGROUND = How("process", given="endless")
MANY = How("run", code=4, given="materials")
LOOKED_AT = How("run", given="waiting")
ARGO = How("in order", given="for_argo", needs=("argo",))
LAMMPS = How("in order", given="pod_student", needs=("lammps",))
INSTALLS = How("not ours", why="pip, in an environment of its own: .ci/run installs from nothing")
TOOLS = How("not ours", why="a program of the system")
MAKE = How("not ours", why="a target: see test_targets_and_extras_are_there")

CAPS = ("--cores 16", "--cores 1 --memory-GB 2")
"""Those of a page, and what every machine has."""

LINES: dict[str, How] = {
    "pfd check input.yaml": RUN,
    "pfd check examples/toy/input.yaml": RUN,
    "pfd check data train.extxyz --test test.extxyz --against chgnet:0.3.0": RUN,
    "pfd check old.json": How("run", given="older"),
    "pfd convert old.json --out input.yaml": How("run", without="input.yaml"),
    "pfd init --structure Si8.cif --goal both": How("run", without="input.yaml"),
    "pfd init --structure examples/silicon/Si8.cif --goal both": How(
        "run", without="input.yaml", swaps=(("examples/silicon/Si8.cif", "Si8.cif"),)
    ),
    "pfd init --structure Si8.cif --goal both --label tblite": How("run", without="input.yaml"),
    "pfd plan input.yaml --engine argo --yaml workflow.yaml": ARGO,
    "pfd submit input.yaml --engine argo": ARGO,
    "pfd download RUN": ARGO,
    "pfd download silicon": ARGO,
    "pfd resubmit RUN [--from KEY]": replace(ARGO, swaps=(("[--from KEY]", ""),)),
    "pfd plan input.yaml": RUN,
    "pfd plan input.yaml --measure": RUN,
    "pfd plan examples/toy/input.yaml --measure": RUN,
    "pfd approve anatase": LOOKED_AT,
    "pfd approve silicon": LOOKED_AT,
    "pfd approve anatase --strike 3,5-7": LOOKED_AT,
    "pfd approve silicon --strike 3,5-7": LOOKED_AT,
    "pfd approve silicon --strike 3 --strike 5-7": LOOKED_AT,
    "pfd label frames.extxyz --input input.yaml --out labelled.extxyz": How("run", without="labelled.extxyz"),
    "pfd label pert_TiO2.extxyz --input input.yaml --out two.extxyz": How(
        "run", swaps=(("pert_TiO2.extxyz", "frames.extxyz"),)
    ),
    "pfd label frames.extxyz --method tblite finetune.label.hamiltonian=GFN1-xTB --out labelled.extxyz": How(
        "run",
        without="labelled.extxyz",
        swaps=(("tblite finetune.label.hamiltonian=GFN1-xTB", "toy"),),
    ),
    "pfd label chosen.extxyz --method tblite finetune.label.hamiltonian=GFN1-xTB --out labelled.extxyz": How(
        "run",
        without="labelled.extxyz",
        swaps=(("tblite finetune.label.hamiltonian=GFN1-xTB", "toy"), ("chosen.extxyz", "frames.extxyz")),
    ),
    "pfd properties toy/models/student --structure Cu.cif --kind elastic strain=0.01": RUN,
    "pfd perturb TiO2.cif -n 2 -d 0.05 -c 0.02 -r 2 2 1": How("run", swaps=(("TiO2.cif", "Cu.cif"),)),
    "pfd report toy --serve": How("process", swaps=(("--serve", "--serve --port 0"),)),
    "pfd download silicon --out results": RUN,
    "pfd download silicon -i 0 -d train/model --out models": RUN,
    "ase gui silicon/review/frames.extxyz": TOOLS,
    "pfd submit input.yaml": RUN,
    "pfd submit examples/toy/input.yaml": RUN,
    "pfd check examples/alloy/input.yaml": How("run", needs=("chgnet", "lammps")),
    "pfd submit examples/alloy/input.yaml": How("check", needs=("chgnet", "lammps")),
    "pfd submit examples/slab/input.yaml": How("check", needs=("chgnet", "lammps")),
    "pfd submit examples/interface/input.yaml": How("check", needs=("chgnet", "lammps")),
    "pfd submit examples/oxide/input.yaml": How("check", needs=("chgnet", "lammps", "espresso")),
    "pfd submit examples/silicon/input.yaml": How("check", needs=("chgnet", "tblite", "lammps")),
    "pfd label frames.extxyz --input input.yaml --out labelled.extxyz --detach": replace(
        BACKGROUND, swaps=(("labelled.extxyz", "made.extxyz finetune.label.delay_s=60"),)
    ),
    "pfd submit input.yaml --detach": BACKGROUND,
    "pfd submit anatase --detach": BACKGROUND,
    "pfd submit input.yaml --structures table.csv": MANY,
    "pfd submit input.yaml --structures Si.cif --structures Ge.cif": MANY,
    "pfd submit a.yaml b.yaml --jobs 2 --cores 16": replace(MANY, swaps=(("b.yaml", "b.yaml c.yaml"), CAPS)),
    "pfd submit a.yaml b.yaml c.yaml --jobs 2 --cores 16 --memory-GB 64": replace(
        MANY, swaps=((f"{CAPS[0]} --memory-GB 64", CAPS[1]),)
    ),
    "pfd status toy": RUN,
    "pfd status silicon": RUN,
    "pfd status RUN": RUN,
    "pfd watch toy": RUN,
    "pfd watch anatase": RUN,
    "pfd stop toy": RUN,
    "pfd report toy": RUN,
    "pfd report silicon": RUN,
    "pfd resubmit anatase": How("run", code=2),  # nothing has failed
    "pfd resubmit anatase --rejected": How("run", code=2),  # and no label was rejected
    "pfd resubmit RUN --rejected": How("run", code=2),
    "pfd resubmit RUN": How("run", code=2),
    "pfd resubmit RUN --from distill": RUN,
    "pfd resubmit RUN --from train --dry-run": RUN,
    "pfd resubmit toy --from distill --dry-run": RUN,
    "pfd resubmit RUN --redo finetune/iter-000/label/0003-3fa9c1d2ab10": How(
        "run", swaps=(("finetune/iter-000/label/0003-3fa9c1d2ab10", "finetune/iter-000/label/0 --dry-run"),)
    ),
    "pfd export silicon silicon-lammps": LAMMPS,
    "cd silicon-lammps && lmp -in in.lammps && cd ..": LAMMPS,
    "pfd export silicon-dpa si-lammps": LAMMPS,
    "cd si-lammps && lmp -in in.lammps": LAMMPS,
    "pfd evaluate RUN/models/student TRAJ --domain RUN/data/distill-train.extxyz": RUN,
    "pfd evaluate silicon-dpa/models/student trajectory.extxyz --domain silicon-dpa/data/distill-train.extxyz": RUN,
    "pfd evaluate toy/models/student frames.extxyz --domain toy/data/distill-train.extxyz": RUN,
    "pfd evaluate toy/models/student toy/data/finetune-test.extxyz --domain toy/data/distill-train.extxyz": RUN,
    "pfd evaluate deepmd:DPA-3.pt labelled.extxyz --head Omat24 --shift-on few.extxyz": RUN,
    "pfd models": RUN,
    "pfd models chgnet": replace(RUN, swaps=(("models chgnet", "models toy"),)),
    "pfd models deepmd DPA-3.pt": RUN,
    "pfd doctor": How("run", given="toy_tested"),
    "pfd doctor chgnet": RUN,
    "pfd doctor deepmd": RUN,
    "pfd doctor chgnet pod vasp": RUN,
    "pfd doctor chgnet pod tblite": RUN,
    "pfd schema > pfd.schema.json": RUN,
    "pfd perturb Cu.cif -n 10 -c 0.03 -d 0.1 -r 2 2 2": RUN,
    "pfd select pool.extxyz --reference train.extxyz --max 20 --out chosen.extxyz": RUN,
    "pfd select pool.extxyz --reference train.extxyz --max 24 --out chosen.extxyz": RUN,
    "pfd env list": RUN,
    "pfd env create mace": BUILDS,
    "pfd env create deepmd": BUILDS_TOO,
    "pfd env create argo": BUILDS_TOO,
    "pfd env create gpaw": BUILDS_TOO,
    "pfd env path mace": BUILDS,
    '$(pfd env path mace)/bin/python -c "import mace"': BUILDS,
    "pfd env remove mace": BUILDS,
    "pfd env wheels mace wheels": BUILDS,
    "make demo": MAKE,
    "make test": MAKE,
    "make docs": MAKE,
    "make proof": MAKE,
    'make proof WORDS="silicon sevennet-100-0"': MAKE,
    "python3 -m venv .venv": TOOLS,
    "source .venv/bin/activate": TOOLS,
    "apt install libopenmpi-dev libopenblas-dev libxc-dev": TOOLS,
    "export DFLOW_S3_ACCESS_KEY=... DFLOW_S3_SECRET_KEY=...": TOOLS,
    'pip install ".[demo]"': INSTALLS,
    'pip install ".[chgnet,hpc,structures,lammps]"': INSTALLS,
    'pip install "deepmd-kit[cpu,lmp]==3.2.0"': INSTALLS,
    "python benchmarks/recipe.py --family sevennet --materials silicon --labels 20 --set learning_rate=0.003": How(
        "in order",  # it reads its arguments, and ends where the published sets are not: they take minutes
        given="here",
        swaps=(("python benchmarks", f'"{sys.executable}" "{ROOT / "benchmarks"}"'),),
    ),
    "pip install --no-deps examples/own_family": How("not ours", why="tests/models/test_own_family.py installs it"),
}
