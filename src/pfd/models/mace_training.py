"""What of a MACE is trained, and how: chosen parts, low-rank updates of them, and replay of what it knew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from pfd.frames import Labels, fit_energy_shift, labels_of, read_frames, require_labels, with_labels, without_labels
from pfd.models.family import Progress, TrainingReport, require_elements
from pfd.models.mace_checkpoint import Checkpoint
from pfd.models.mace_heads import NEW_HEAD, with_heads
from pfd.models.mace_module import quiet
from pfd.models.mace_potential import MACEPotential
from pfd.models.mace_settings import MACEFineTuneSettings, Part
from pfd.models.torch_loss import prepare
from pfd.models.torch_potential import predict_frames
from pfd.models.torch_training import Replay, train_torch

if TYPE_CHECKING:
    from ase import Atoms

PART_OF: dict[str, Part] = {
    "node_embedding": "embedding",
    "radial_embedding": "embedding",
    "pair_repulsion_fn": "embedding",
    "interactions": "interactions",
    "products": "products",
    "readouts": "readouts",
}
"""The part that each of the module's children belongs to."""


def train_mace(
    potential: MACEPotential,
    train: Sequence[Atoms],
    valid: Sequence[Atoms],
    settings: MACEFineTuneSettings,
    seed: int,
    progress: Progress,
) -> TrainingReport:
    """Fine-tune in place; afterwards the module has the layers that it had before."""
    replay = None if settings.replay_file is None else _replay(potential, settings, seed)
    free_parts(potential, settings.trained_parts)
    if settings.lora_rank:
        _add_updates(potential, settings, seed)
    report = train_torch(potential, train, valid, settings, seed=seed, progress=progress, replay=replay)
    if settings.lora_rank:
        _merge_updates(potential)
    return report


def free_parts(potential: MACEPotential, parts: Sequence[Part]) -> None:
    """Let these parts be trained and no other."""
    for name, child in potential.module.named_children():
        child.requires_grad_(PART_OF.get(name) in parts)


def _add_updates(potential: MACEPotential, settings: MACEFineTuneSettings, seed: int) -> None:
    """Put the package's low-rank updates beside the linear layers of the parts that are free; only they are trained.

    One of the package's layers changes its own weights while it computes: threads must take turns.
    """
    import torch

    with quiet(), torch.random.fork_rng(devices=[]):
        from mace.modules.lora import inject_lora

        torch.manual_seed(seed)
        for name, child in potential.module.named_children():
            if PART_OF.get(name) in settings.trained_parts:
                inject_lora(child, rank=settings.lora_rank, alpha=settings.lora_alpha)
    potential.turn = Lock()


def _merge_updates(potential: MACEPotential) -> None:
    with quiet():
        from mace.modules.lora import merge_lora_weights

        merge_lora_weights(potential.module)


def with_new_head(checkpoint: Checkpoint) -> Checkpoint:
    """A new head in use, a copy of the one that was; that one is kept, with the energies that it came with.

    A model that has such a pair of heads already is left as it is: its training goes on.
    """
    old = checkpoint.head
    if checkpoint.kept_head is not None:
        return checkpoint
    names = (NEW_HEAD, *(f"{NEW_HEAD}{number}" for number in range(2, len(checkpoint.heads) + 2)))
    new = next(name for name in names if name not in checkpoint.heads)
    both = with_heads(checkpoint, [*checkpoint.heads, new], [*checkpoint.heads, old], new)
    energies, row = both.energies_eV.clone(), checkpoint.heads.index(old)
    energies[row] = both.adopted_eV[row]
    return replace(both, energies_eV=energies, kept_head=old)


def read_replay(settings: MACEFineTuneSettings, elements: Sequence[str], seed: int) -> list[Atoms]:
    """Those frames of the replay file that are used.

    Raises:
        DataError: if the file is missing or empty, or lacks labels that are to be taken from it.
        ModelError: if the model does not know an element.
    """
    assert settings.replay_file is not None
    where = settings.replay_file
    frames = read_frames(Path(where))
    chosen = sorted(np.random.default_rng(seed).permutation(len(frames))[: settings.replay_frames])
    frames = [frames[index] for index in chosen]
    require_labels(frames, where=where, needs=("energy", "forces") if settings.replay_labels == "file" else ())
    require_elements(frames, elements, where)
    return frames


def _replay(potential: MACEPotential, settings: MACEFineTuneSettings, seed: int) -> Replay:
    """The frames of the file, labelled, for the head of the pre-training."""
    frames, kept = read_replay(settings, potential.elements, seed), potential.checkpoint.kept_head
    assert kept is not None
    old = potential.for_head(kept)
    predicted = predict_frames(old, frames, "replay_file")
    if settings.replay_labels == "file":
        frames = _at_zero_of(frames, predicted)
    else:
        frames = [with_labels(without_labels(frame), labels) for frame, labels in zip(frames, predicted, strict=True)]
    return Replay(prepare(old, frames, settings, "the replayed frames"), settings.replay_weight)


def _at_zero_of(frames: Sequence[Atoms], predicted: Sequence[Labels]) -> list[Atoms]:
    """The frames with their labels less a constant energy per element between them and the model."""
    shift = fit_energy_shift(frames, predicted)
    shifted = []
    for frame in frames:
        labels = labels_of(frame)
        assert labels.energy is not None
        shifted.append(with_labels(frame, replace(labels, energy=labels.energy - shift.of(frame))))
    return shifted
