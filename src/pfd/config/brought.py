"""What the user brings along: labelled sets, pools and the test set, each with what it holds and what was left out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pfd.config.reading import ResolvedInput, at, source_path
from pfd.errors import DataError, SettingError
from pfd.explore.pool import pool_of, read_pool_file
from pfd.explore.settings import PoolSettings
from pfd.frames import require_labels, require_level
from pfd.frames.outside import OutsideSet, read_outside
from pfd.label.family import FamilyLabelerSettings
from pfd.label.labeler import make_labeler
from pfd.models.family import ModelCard
from pfd.theory import Comparison, compare_levels, theory_of
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Brought:
    """One set of frames of the user's.

    Attributes:
        key: where the input names it.
        file: as the input names it.
        frames: those that are used.
        found: all that the file holds.
        notes: what the data gate warns of.
    """

    key: str
    file: str
    frames: list[Atoms]
    found: OutsideSet
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What is in it, one line, and one more for each frame that was left out and each warning."""
        counts = self.found.counts
        labels = ", ".join(f"{name} in {counts[name]}" for name in ("energy", "forces", "stress"))
        used = "" if len(self.frames) == counts["frames"] else f", {len(self.frames)} of them taken"
        first = f"{self.key} ({self.file}): {counted(counts['frames'], 'frame')}{used}; {labels}"
        left_out = [f"  left out: {reason}" for reason in self.found.left_out]
        return [first, *left_out, *(f"  warning: {note}" for note in self.notes)]

    def warn(self) -> None:
        """Warn of each frame that was left out, and of what the data gate warns of."""
        for reason in self.found.left_out:
            warnings.warn(f"{self.key} ({self.file}): left out: {reason}", UserWarning, stacklevel=2)
        for note in self.notes:
            warnings.warn(f"{self.key} ({self.file}): {note}", UserWarning, stacklevel=2)


def read_pool_of(resolved: ResolvedInput, group: PoolSettings, key: str) -> Brought:
    """The pool of one group.

    Raises:
        DataError, SettingError: naming the key.
    """
    path = source_path(resolved, group.file, f"{key}.file")
    with at(resolved, f"{key}.file"):
        found = read_pool_file(path, group)
        frames = list(pool_of(found.frames, group).frames)
    return Brought(resolved.shown(f"{key}.file"), str(group.file), frames, found)


def read_data(resolved: ResolvedInput) -> list[Brought]:
    """The labelled sets to train on, which need energy and forces.

    Raises:
        DataError, SettingError: naming the key.
    """
    return [read_set(resolved, index) for index in range(len(resolved.input.data))]


def read_set(resolved: ResolvedInput, index: int) -> Brought:
    """One of them."""
    data, key = resolved.input.data[index], f"data.{index}.file"
    path = source_path(resolved, data.file, key)
    with at(resolved, key):
        found = read_outside(path, data.format, {str(name): label for name, label in data.labels.items()})
        require_labels(found.frames, where="")
    return Brought(key, data.file, found.frames, found)


def read_test_set(resolved: ResolvedInput) -> list[Brought]:
    """The test set that the user brings, if there is one.

    Raises:
        DataError, SettingError: naming the key.
    """
    test = resolved.input.evaluate
    if test.test_file is None:
        return []
    key = "evaluate.test_file"
    path = source_path(resolved, test.test_file, key)
    with at(resolved, key):
        found = read_outside(path, None, {str(name): label for name, label in test.test_labels.items()})
    return [Brought(key, test.test_file, found.frames, found)]


def check_levels(resolved: ResolvedInput, data: list[Brought], teacher: ModelCard | None) -> Comparison | None:
    """Refuse labels to train on of another level of theory than the labeler's, and a level that cannot be.

    Args:
        resolved: the input.
        data: the labelled sets that it brings along.
        teacher: the card of the pre-trained model, if it was read.

    Returns:
        How the labels' level of theory compares with the teacher's, if both are known.

    Raises:
        DataError: naming the key and both levels.
        SettingError: if the labeler counts dispersion twice.
    """
    if isinstance(resolved.labeler, FamilyLabelerSettings):  # its level of theory is a digest of the model
        return None
    level = _level_of_theory(resolved)
    if len(dispersions := theory_of(level).dispersions) > 1:
        raise SettingError(
            f"dispersion is counted twice: {' and '.join(dispersions)} ({level})",
            where=resolved.place("finetune.label"),
            hint="keep one of them",
        )
    for index, (entry, brought) in enumerate(zip(resolved.input.data, data, strict=True)):
        if entry.level_of_theory not in {None, level}:
            raise DataError(
                f"labels of {entry.level_of_theory!r} cannot be trained on beside labels of {level!r}",
                where=resolved.place(f"data.{index}.level_of_theory"),
                hint="label with the same method, or leave this set out",
            )
        with at(resolved, brought.key):
            require_level(brought.frames, level, where="")
    return None if teacher is None else compare_levels(teacher.level_of_theory, level)


def _level_of_theory(resolved: ResolvedInput) -> str:
    """The labeler's; one that looks labels up without naming files does so in the pools that are explored."""
    assert resolved.labeler is not None
    assert resolved.input.finetune is not None
    labeler = make_labeler(resolved.labeler.model_dump(mode="json"))
    if hasattr(resolved.labeler, "files"):
        groups = [group for stage in resolved.input.finetune.explore for group in stage]
        files = resolved.labeler.files or [group.file for group in groups if isinstance(group, PoolSettings)]
        labeler.use_files([source_path(resolved, file, "finetune.label.files") for file in files])
        with at(resolved, "finetune.label.files"):
            labeler.check(())  # reads them, whether or not they are asked for their level
    with at(resolved, "finetune.label"):
        return labeler.level_of_theory()
