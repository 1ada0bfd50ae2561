"""What GPUMD needs beside a ``nep.txt``: a structure and an input, and how to run them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pfd.models.nep_file import MODEL_FILE

if TYPE_CHECKING:
    from ase import Atoms

INPUT = """\
potential {model}
velocity 300
time_step {step_fs}
ensemble nvt_bdp 300 300 100
dump_thermo 100
run 1000
"""
README = """\
# A neuroevolution potential, for GPUMD
Run `gpumd` here: NVT of model.xyz at 300 K by run.in; units are eV, Å, fs, K, GPa. Needs GPUMD and a GPU.
In an input of your own, where the elements are {elements}:

    potential {model}

Programs that read GPUMD's `nep.txt` take the same file: LAMMPS with the pair style `nep`, ASE by calorine's CPUNEP.
calorine gave the trained model's energies and forces with this file when it was written; GPUMD itself was not run.
"""


def write_gpumd(frame: Atoms, target: Path) -> None:
    """Write model.xyz, run.in (NVT at 300 K for 1000 steps) and README.md beside the ``nep.txt`` of a folder."""
    from ase.io import write

    bare = frame.copy()
    bare.calc, bare.info = None, {}
    write(target / "model.xyz", bare, format="extxyz", columns=["symbols", "positions"])
    step_fs = 0.5 if (frame.numbers == 1).any() else 1.0
    (target / "run.in").write_text(INPUT.format(model=MODEL_FILE, step_fs=step_fs), encoding="utf-8")
    elements = (target / MODEL_FILE).read_text(encoding="utf-8").splitlines()[0].split()[2:]
    text = README.format(model=MODEL_FILE, elements=", ".join(elements))
    (target / "README.md").write_text(text, encoding="utf-8")
