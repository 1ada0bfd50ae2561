"""New MACEs of random weights: students for the elements of their frames, and small models for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.frames import labels_of
from pfd.models.mace_checkpoint import Checkpoint
from pfd.models.mace_module import ENERGIES, new_module
from pfd.models.mace_settings import MACEFitSettings

if TYPE_CHECKING:
    from ase import Atoms

SIZES: dict[str, dict[str, Any]] = {
    "S": {"hidden_irreps": "16x0e", "MLP_irreps": "8x0e", "correlation": 2, "max_ell": 2, "radial_MLP": [32, 32]},
    "M": {"hidden_irreps": "32x0e", "MLP_irreps": "16x0e", "correlation": 3, "max_ell": 3, "radial_MLP": [32, 32, 32]},
    "L": {
        "hidden_irreps": "64x0e + 64x1o",
        "MLP_irreps": "16x0e",
        "correlation": 3,
        "max_ell": 3,
        "radial_MLP": [64] * 3,
    },
}


def build_student(train: Sequence[Atoms], settings: MACEFitSettings, seed: int) -> Checkpoint:
    """A MACE for the elements of the frames, scaled by their forces and their neighbours.

    Energies of messages are divided by the mean number of neighbours and multiplied by the root mean square of the
    forces, as the package does.
    """
    numbers = sorted({int(number) for frame in train for number in frame.numbers})
    forces = np.concatenate([np.ravel(np.asarray(labels_of(frame).forces)) for frame in train])
    scale = float(np.sqrt(np.mean(forces**2))) or 1.0
    neighbours = _mean_neighbours(train, settings.cutoff_A)
    return new_checkpoint(numbers, settings.size, settings.cutoff_A, neighbours, scale, seed)


def new_checkpoint(
    numbers: Sequence[int], size: str, cutoff_A: float, neighbours: float, scale_eV: float, seed: int
) -> Checkpoint:
    """Random weights in single precision.

    Args:
        numbers: atomic numbers, sorted.
        size: one of ``SIZES``.
        cutoff_A: of the neighbours of one layer, Å.
        neighbours: how many an atom has, by which sums over them are divided.
        scale_eV: by which energies are multiplied.
        seed: of the weights.
    """
    import torch

    config: dict[str, Any] = {
        **SIZES[size],
        "r_max": cutoff_A,
        "num_bessel": 8,
        "num_polynomial_cutoff": 5,
        "num_interactions": 2,
        "num_elements": len(numbers),
        "atomic_numbers": list(numbers),
        "interaction_cls": "RealAgnosticResidualInteractionBlock",
        "interaction_cls_first": "RealAgnosticInteractionBlock",
        "readout_cls": "NonLinearReadoutBlock",
        "edge_irreps": None,
        "gate": "silu",
        "avg_num_neighbors": neighbours,
        "heads": ["Default"],
        "atomic_inter_scale": [scale_eV],
        "atomic_inter_shift": [0.0],
    }
    state = new_module(config, torch.float32, seed=seed).state_dict()
    energies = state.pop(ENERGIES).double()
    return Checkpoint(config, state, energies, energies.clone(), "Default")


def untrained_checkpoint(elements: Sequence[str], seed: int) -> Checkpoint:
    """A small MACE of random weights."""
    from ase.data import atomic_numbers

    numbers = sorted({atomic_numbers[symbol] for symbol in elements})
    return new_checkpoint(numbers, "S", 4.5, 20.0, 1.0, seed)


def _mean_neighbours(frames: Sequence[Atoms], cutoff_A: float) -> float:
    from pfd.frames.neighbours import pairs_within

    pairs = sum(len(pairs_within(frame, cutoff_A).first) for frame in frames)
    return max(1.0, pairs / sum(map(len, frames)))
