"""The labelled sets of others, as the benchmarks read them: energies, forces, and their stresses where they have some.

Two of them keep stresses under a name of their own (``raw_stress``, kbar, compression positive, as VASP prints it), the
shears in another order each. ``python benchmarks/labelled_sets.py [DATA]`` shows that the orders are right: it compares
each component with what SevenNet-0 says of the same frames, in each of the six orders.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
from ase import Atoms

from pfd.frames import labels_of, read_frames, with_labels
from pfd.units import GPA_PER_EV_PER_A3

STRESS_ORDER = {"silicon": (0, 1, 2, 4, 5, 3), "molybdenum": (0, 1, 2, 5, 4, 3)}
"""Which of ``raw_stress`` are xx yy zz yz xz xy: silicon's are xx yy zz xy yz xz, molybdenum's xx yy zz xy xz yz."""
KBAR_PER_GPA = 10.0


def training_frames(folder: Path) -> list[Atoms]:
    """The frames that may be trained on, with stresses as labels (eV/Å³, tension positive)."""
    return _labelled(folder, "train.extxyz")


def test_frames(folder: Path) -> list[Atoms]:
    """The frames that scoring reads, and nothing else."""
    return _labelled(folder, "test.extxyz")


def stress_GPa(frame: Atoms, order: tuple[int, ...]) -> np.ndarray:
    """The stress of a frame of these sets, xx yy zz yz xz xy, GPa, tension positive."""
    return -np.asarray(frame.info["raw_stress"], dtype=float)[list(order)] / KBAR_PER_GPA


def _labelled(folder: Path, name: str) -> list[Atoms]:
    frames, order = read_frames(folder / name), STRESS_ORDER.get(folder.name)
    if order is None:
        return frames
    stresses = (stress_GPa(frame, order) / GPA_PER_EV_PER_A3 for frame in frames)
    return [
        with_labels(frame, replace(labels_of(frame), stress=stress))
        for frame, stress in zip(frames, stresses, strict=True)
    ]


def main() -> int:
    import tempfile

    import pfd

    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch)
        pfd.adopt_model(pfd.make_family("sevennet"), "7net-0", None, model)
        for material, used in STRESS_ORDER.items():
            frames = read_frames(data / material / "train.extxyz")[::4]
            told = [labels_of(frame).stress for frame in pfd.predict_frames(model, frames)]
            predicted = np.array(told) * GPA_PER_EV_PER_A3
            for shears in permutations((3, 4, 5)):
                order = (0, 1, 2, *shears)
                given = np.array([stress_GPa(frame, order) for frame in frames])
                rmse = np.sqrt(np.mean((given - predicted)[:, 3:] ** 2))
                print(f"{material} {order}: shears {rmse:.2f} GPa off SevenNet-0{' <- used' if order == used else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
