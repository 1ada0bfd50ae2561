"""Labelled frames as deepmd-kit reads them: folders of numpy arrays (``deepmd/npy``), one for each list of species."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import labels_of, trainable_stress
from pfd.models.deepmd.potential import periodic_cell
from pfd.voigt import from_voigt

if TYPE_CHECKING:
    from ase import Atoms


TRAIN, VALID = "train", "valid"
"""Folders of the systems."""


@dataclass(frozen=True)
class System:
    """Frames of the same species in the same order: their folder, and how many they are."""

    name: str
    frames: int


@dataclass(frozen=True)
class TrainingData:
    """The systems of a training, in the folders ``train`` and ``valid`` beside its input."""

    train: Sequence[System]
    valid: Sequence[System]
    stressed: bool
    """Whether a training frame has a stress."""


def write_data(
    train: Sequence[Atoms], valid: Sequence[Atoms], folder: Path, type_map: Sequence[str], room_A: float
) -> TrainingData:
    """Write the frames of a training into its folder; see ``write_systems``."""
    return TrainingData(
        train=write_systems(train, folder / TRAIN, type_map, room_A),
        valid=write_systems(valid, folder / VALID, type_map, room_A),
        stressed=any(trainable_stress(frame) is not None for frame in train),
    )


def write_systems(frames: Sequence[Atoms], folder: Path, type_map: Sequence[str], room_A: float) -> list[System]:
    """Write frames with energy and forces; those with a stress to train on get a virial, which is -stress * volume.

    Within a frame, atoms are sorted by type, so that frames of one composition stand together.

    Args:
        frames: labelled frames of elements in ``type_map``.
        folder: where to write; the systems are folders in it.
        type_map: the name of each type.
        room_A: see ``periodic_cell``.

    Returns:
        The systems, by their folders' names.
    """
    numbers = {name: index for index, name in enumerate(type_map)}
    groups: dict[tuple[tuple[int, ...], bool], list[Atoms]] = {}
    for frame in frames:
        types = sorted(numbers[symbol] for symbol in frame.get_chemical_symbols())
        groups.setdefault((tuple(types), trainable_stress(frame) is not None), []).append(frame)
    systems = []
    for index, ((kinds, _), members) in enumerate(groups.items()):
        place = folder / f"{index:04d}"
        arrays = place / "set.000"
        arrays.mkdir(parents=True)
        (place / "type.raw").write_text("\n".join(map(str, kinds)) + "\n", encoding="utf-8")
        (place / "type_map.raw").write_text("\n".join(type_map) + "\n", encoding="utf-8")
        rows: dict[str, list[np.ndarray]] = {name: [] for name in ("coord", "box", "energy", "force", "virial")}
        for frame in members:
            order = np.argsort([numbers[symbol] for symbol in frame.get_chemical_symbols()], kind="stable")
            labels, stress = labels_of(frame), trainable_stress(frame)
            rows["coord"].append(frame.positions[order].ravel())
            rows["box"].append(periodic_cell(frame, room_A).ravel())
            rows["energy"].append(np.array([labels.energy]))
            rows["force"].append(np.asarray(labels.forces)[order].ravel())
            if stress is not None:
                rows["virial"].append(-from_voigt(stress).ravel() * frame.get_volume())
        for name, values in rows.items():
            if values:
                np.save(arrays / f"{name}.npy", np.array(values, dtype=float))
        systems.append(System(place.name, len(members)))
    return systems


def batches_of(systems: Sequence[System], batch_size: int) -> list[int]:
    """Frames per step for each system: a system of few frames gives all it has."""
    return [min(batch_size, system.frames) for system in systems]


def steps_per_epoch(systems: Sequence[System], batch_size: int) -> int:
    """Steps in which all frames are seen once."""
    return sum(math.ceil(system.frames / min(batch_size, system.frames)) for system in systems)
