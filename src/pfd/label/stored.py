"""Labels that exist already: active learning on a labelled set, where labelling is a look-up by frame id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pfd.digests import json_digest
from pfd.errors import DataError, InputError, LabelRejected
from pfd.frames import Labels, frame_id, labels_of
from pfd.frames.outside import read_labelled
from pfd.label.labeler import Labeler, LabelerSettings, Outcome

if TYPE_CHECKING:
    from ase import Atoms


class StoredSettings(LabelerSettings):
    """Where the labels are."""

    method: Literal["stored"] = "stored"
    files: tuple[Path, ...] = ()
    """Files of labelled frames; empty takes those of the pool that the run explores, which is the usual case."""
    format: str | None = None
    """Format of the files, as in ``data:``; None guesses it from their names."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Label name -> key in the files, for files with keys of their own; empty looks for energy and REF_energy."""
    level: str = ""
    """The level of theory of the labels; empty takes what the frames say of themselves, else the files' digest."""


class Stored(Labeler):
    """Looks labels up by frame id, which is a digest of the very geometry: no label can meet another frame."""

    name: ClassVar[str] = "stored"
    Settings = StoredSettings
    foreign = True
    how = frozenset({"files"})
    identity = frozenset({"format", "labels"})
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        assert isinstance(settings, StoredSettings)
        self._settings = settings
        self._files: tuple[Path, ...] = settings.files
        self._known: dict[str, Labels] | None = None

    def use_files(self, files: Sequence[Path]) -> None:
        """Look the labels up in these files instead of those that the settings name."""
        self._files = tuple(files)
        self._known = None

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse files that hold the label of none of the frames.

        Raises:
            InputError: if no frame is found.
        """
        known = self._labels()
        if frames and not any(frame_id(frame) in known for frame in frames):
            raise InputError(
                f"none of the {len(frames)} frames is among the {len(known)} stored labels",
                where="finetune.label.files",
                hint="frames are matched bit for bit: explore the same files with method: pool",
            )

    def level_of_theory(self) -> str:
        """The setting, else what the frames say, else ``stored:`` and 12 digits of the labels' digest.

        Raises:
            DataError: if the frames name more than one level of theory.
        """
        if self._settings.level:
            return self._settings.level
        levels = sorted({labels.level_of_theory for labels in self._labels().values()})
        if len(levels) > 1:
            raise DataError(
                f"the stored labels are of {len(levels)} levels of theory: {', '.join(map(repr, levels))}",
                where="finetune.label.files",
                hint="label with one of them only, or name it with finetune.label.level if they are the same",
            )
        if levels and levels[0]:
            return levels[0]
        content = {name: [labels.energy, _flat(labels)] for name, labels in self._labels().items()}
        return f"stored:{json_digest(content)[:12]}"

    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Look one frame up.

        Raises:
            LabelRejected: if the files do not hold it.
            DataError: if a file cannot be read, or two labels of one frame differ.
        """
        labels = self._labels().get(frame_id(frame))
        if labels is None:
            raise LabelRejected(
                "no stored label for this frame",
                where=f"frame {frame_id(frame)}",
                hint=f"add its file to finetune.label.files ({', '.join(path.name for path in self._files)})",
            )
        return Outcome(labels, converged=True)

    def _labels(self) -> dict[str, Labels]:
        if self._known is None:
            if not self._files:
                raise InputError(
                    "the labeler 'stored' was given no files", where="finetune.label.files", hint="name some"
                )
            known: dict[str, Labels] = {}
            for path in self._files:
                for frame in read_labelled(path, self._settings.format, self._settings.labels):
                    _add(known, frame_id(frame), labels_of(frame), path)
            self._known = known
        return self._known


def _add(known: dict[str, Labels], name: str, labels: Labels, path: Path) -> None:
    earlier = known.setdefault(name, labels)
    if (earlier.energy, _flat(earlier)) != (labels.energy, _flat(labels)):
        raise DataError(f"frame {name} has two different labels", where=str(path), hint="remove one of them")


def _flat(labels: Labels) -> list[float]:
    return [] if labels.forces is None else [float(value) for value in labels.forces.ravel()]
