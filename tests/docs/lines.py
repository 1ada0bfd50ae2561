"""How each line of shell in the docs is tested; a line that is not here fails the tests.

What stands for a user's own (``silicon``, ``RUN``, a checkpoint) is swapped for what the test's folder has.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    "doctor chgnet vasp": "doctor toy",
    "doctor chgnet": "doctor toy",
    "--label tblite": "",
    "examples/toy/input.yaml": "input.yaml",
}
"""Words of the docs -> those of the test's folder."""


@dataclass(frozen=True)
class How:
    """What is done with a line.

    Attributes:
        kind: ``run`` it; ``check`` the input that it would submit; ``parsed``: the command line is taken apart, so that
            names and options are right, and nothing is started; ``not ours``: no command of pfd.
        code: the exit code of a ``run`` or ``check``.
        why: why a line is not run, and what tests it in its place.
        without: a file that is removed first.
        swaps: further words to be swapped.
        needs: markers of what must be installed.
    """

    kind: str
    code: int = 0
    why: str = ""
    without: str = ""
    swaps: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()


RUN = How("run")
BUILDS = How("parsed", why="builds an environment, minutes: tests/environments, and make environments")
BACKGROUND = How("parsed", why="leaves a process behind: tests/cli/test_detach.py")
MANY = How("parsed", why="a process for each material: tests/cli/test_submit_many.py")
ARGO = How("parsed", why="dflow's environment, and a server: tests/workflow/argo")
EVERYTHING = How("parsed", why="trains every family that is installed: tests/cli/test_inventory.py")
LAMMPS = How("parsed", why="a student with a pair style: tests/models/test_export.py runs what is written in LAMMPS")
INSTALLS = How("not ours", why="pip, in an environment of its own: .ci/run installs from nothing")
TOOLS = How("not ours", why="a program of the system")
MAKE = How("not ours", why="a target: see test_targets_and_extras_are_there")

LINES: dict[str, How] = {
    "pfd check input.yaml": RUN,
    "pfd check examples/toy/input.yaml": RUN,
    "pfd check data train.extxyz --test test.extxyz --against chgnet:0.3.0": RUN,
    "pfd check old.json": How("parsed", why="families that the older input needs: tests/cli/test_older.py"),
    "pfd convert old.json --out input.yaml": How("run", without="input.yaml"),
    "pfd init --structure Si8.cif --goal both": How("run", without="input.yaml"),
    "pfd init --structure Si8.cif --goal both --label tblite": How("run", without="input.yaml"),
    "pfd plan input.yaml --engine argo --yaml workflow.yaml": ARGO,
    "pfd plan input.yaml": RUN,
    "pfd plan input.yaml --measure": RUN,
    "pfd plan examples/toy/input.yaml --measure": RUN,
    "pfd approve anatase": How("run", code=2),  # no frames wait: tests/workflow/test_review.py has them
    "pfd approve silicon": How("run", code=2),
    "pfd approve anatase --strike 3,5-7": How("run", code=2),
    "pfd approve silicon --strike 3,5-7": How("run", code=2),
    "pfd approve silicon --strike 3 --strike 5-7": How("run", code=2),
    "pfd label frames.extxyz --input input.yaml --out labelled.extxyz": How("run", without="labelled.extxyz"),
    "pfd label pert_TiO2.extxyz --input input.yaml --out two.extxyz": How(
        "run", swaps=(("pert_TiO2.extxyz", "frames.extxyz"),)
    ),
    "pfd label frames.extxyz --method tblite finetune.label.hamiltonian=GFN2-xTB --out labelled.extxyz": How(
        "run",
        without="labelled.extxyz",
        swaps=(("tblite finetune.label.hamiltonian=GFN2-xTB", "toy"),),
    ),
    "pfd label chosen.extxyz --method tblite finetune.label.hamiltonian=GFN2-xTB --out labelled.extxyz": How(
        "run",
        without="labelled.extxyz",
        swaps=(("tblite finetune.label.hamiltonian=GFN2-xTB", "toy"), ("chosen.extxyz", "frames.extxyz")),
    ),
    "pfd properties toy/models/student --structure Cu.cif --kind elastic strain=0.01": RUN,
    "pfd perturb TiO2.cif -n 2 -d 0.05 -c 0.02 -r 2 2 1": How("run", swaps=(("TiO2.cif", "Cu.cif"),)),
    "pfd report toy --serve": How("parsed", why="it ends by Ctrl-C: tests/report/test_server.py"),
    "pfd download silicon --out results": RUN,
    "pfd download silicon -i 0 -d train/model --out models": RUN,
    "pfd submit anatase --detach": BACKGROUND,
    "ase gui silicon/review/frames.extxyz": TOOLS,
    "pfd submit input.yaml": RUN,
    "pfd submit examples/toy/input.yaml": RUN,
    "pfd check examples/alloy/input.yaml": How("run", needs=("chgnet", "lammps")),
    "pfd submit examples/alloy/input.yaml": How("check", needs=("chgnet", "lammps")),
    "pfd submit examples/slab/input.yaml": How("check", needs=("chgnet", "lammps")),
    "pfd submit examples/interface/input.yaml": How("check", needs=("chgnet", "lammps")),
    "pfd submit examples/oxide/input.yaml": How("check", needs=("chgnet", "lammps", "espresso")),
    "pfd submit examples/silicon/input.yaml": How("check", needs=("chgnet", "tblite", "lammps")),
    "pfd submit input.yaml --detach": BACKGROUND,
    "pfd submit input.yaml --engine argo": ARGO,
    "pfd submit input.yaml --structures table.csv": MANY,
    "pfd submit input.yaml --structures Si.cif --structures Ge.cif": MANY,
    "pfd submit a.yaml b.yaml --jobs 2 --cores 16": MANY,
    "pfd submit a.yaml b.yaml c.yaml --jobs 2 --cores 16 --memory-GB 64": MANY,
    "pfd status toy": RUN,
    "pfd status silicon": RUN,
    "pfd status RUN": RUN,
    "pfd watch toy": RUN,
    "pfd watch anatase": RUN,
    "pfd stop toy": RUN,
    "pfd report toy": RUN,
    "pfd report silicon": RUN,
    "pfd resubmit anatase": How("run", code=2),  # nothing has failed
    "pfd resubmit RUN": How("run", code=2),
    "pfd resubmit RUN --from distill": RUN,
    "pfd resubmit RUN --from train --dry-run": RUN,
    "pfd resubmit toy --from distill --dry-run": RUN,
    "pfd resubmit RUN --redo finetune/iter-000/label/0003-3fa9c1d2ab10": How(
        "run", swaps=(("finetune/iter-000/label/0003-3fa9c1d2ab10", "finetune/iter-000/label/0 --dry-run"),)
    ),
    "pfd resubmit RUN [--from KEY]": ARGO,
    "pfd download RUN": ARGO,
    "pfd download silicon": ARGO,
    "pfd export silicon silicon-lammps": LAMMPS,
    "pfd export silicon-dpa si-lammps": LAMMPS,
    "pfd evaluate RUN/models/student TRAJ --domain RUN/data/distill-train.extxyz": RUN,
    "pfd evaluate silicon-dpa/models/student trajectory.extxyz --domain silicon-dpa/data/distill-train.extxyz": RUN,
    "pfd evaluate toy/models/student frames.extxyz --domain toy/data/distill-train.extxyz": RUN,
    "pfd evaluate toy/models/student toy/data/finetune-test.extxyz --domain toy/data/distill-train.extxyz": RUN,
    "pfd evaluate deepmd:DPA-3.pt labelled.extxyz --head Omat24 --shift-on few.extxyz": RUN,
    "pfd models": RUN,
    "pfd models deepmd DPA-3.pt": RUN,
    "pfd doctor": EVERYTHING,
    "pfd doctor chgnet": RUN,
    "pfd doctor deepmd": RUN,
    "pfd doctor chgnet vasp": RUN,
    "pfd doctor chgnet pod tblite": RUN,
    "pfd schema > pfd.schema.json": RUN,
    "pfd perturb Cu.cif -n 10 -c 0.03 -d 0.1 -r 2 2 2": RUN,
    "pfd select pool.extxyz --reference train.extxyz --max 20 --out chosen.extxyz": RUN,
    "pfd select pool.extxyz --reference train.extxyz --max 24 --out chosen.extxyz": RUN,
    "pfd env list": RUN,
    "pfd env path mace": How("run", code=2),  # none is built there
    "pfd env create mace": BUILDS,
    "pfd env create deepmd": BUILDS,
    "pfd env create argo": BUILDS,
    "pfd env create gpaw": BUILDS,
    "pfd env remove mace": BUILDS,
    "pfd env wheels mace wheels": BUILDS,
    '$(pfd env path mace)/bin/python -c "import mace"': BUILDS,
    "make demo": MAKE,
    "make test": MAKE,
    "make docs": MAKE,
    "python3 -m venv .venv": TOOLS,
    "source .venv/bin/activate": TOOLS,
    "apt install libopenmpi-dev libopenblas-dev libxc-dev": TOOLS,
    "export DFLOW_S3_ACCESS_KEY=... DFLOW_S3_SECRET_KEY=...": TOOLS,
    "cd silicon-lammps && lmp -in in.lammps": How("not ours", why="tests/models/test_export.py runs such an input"),
    "cd si-lammps && lmp -in in.lammps": How("not ours", why="tests/models/test_export.py runs such an input"),
    'pip install ".[demo]"': INSTALLS,
    'pip install "pfd-kit[chgnet,hpc,structures]"': INSTALLS,
    'pip install "deepmd-kit[cpu,lmp]==3.2.0"': INSTALLS,
    "python benchmarks/recipe.py --family sevennet --materials silicon --labels 20 --set learning_rate=0.003": How(
        "not ours", why="minutes of training on published sets; run by hand"
    ),
    "pip install --no-deps examples/own_family": How("not ours", why="tests/models/test_own_family.py installs it"),
}
