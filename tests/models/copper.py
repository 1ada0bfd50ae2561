"""Copper labelled by a Morse potential of any strength: what tests of families learn from in seconds."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk

from pfd.frames import Labels, labels_of, with_labels
from pfd.models.family import Family
from pfd.testing.toy_potential import ToyCalculator, morse


def copper(count: int, seed: int, strength: float = 1.0, constant_eV: float = 0.0) -> list[Atoms]:
    """Strained and displaced cells of 8 atoms, with energies, forces and stresses."""
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        frame = bulk("Cu", a=3.61).repeat(2)
        frame.set_cell(frame.cell.array @ (np.eye(3) + random.normal(0, 0.02, (3, 3))), scale_atoms=True)
        frame.positions += random.normal(0, 0.1, frame.positions.shape)
        frame.calc = ToyCalculator(["Cu"], morse(strength), np.ones(1), {"Cu": constant_eV})
        labels = Labels(frame.get_potential_energy(), frame.get_forces(), frame.get_stress())
        frames.append(with_labels(frame, labels))
    return frames


def errors(family: Family, folder, frames: list[Atoms]) -> dict[str, float]:
    """RMSE of energies per atom (after their mean error, ``shift``, is taken out), forces and stresses."""
    pairs = [
        (found, labels_of(frame), len(frame))
        for found, frame in zip(family.predict(folder, frames), frames, strict=True)
    ]
    energies = np.array([(found.energy - true.energy) / atoms for found, true, atoms in pairs])
    return {
        "energy": float(energies.std()),
        "shift": float(abs(energies.mean())),
        "forces": float(np.sqrt(np.mean([(found.forces - true.forces) ** 2 for found, true, _ in pairs]))),
        "stress": float(np.sqrt(np.mean([(found.stress - true.stress) ** 2 for found, true, _ in pairs]))),
    }
