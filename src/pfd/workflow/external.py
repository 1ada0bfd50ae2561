"""The frames that wait for labels made by hand, and the labels that were put back."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import DataError, SettingError
from pfd.frames import frame_id, labels_of, read_frames, require_level, with_labels, write_frames
from pfd.frames.apart import apart_A
from pfd.frames.frame import with_origin
from pfd.frames.outside import read_outside
from pfd.label.external import BESIDE, ExternalSettings
from pfd.tasks.folder import Artifact
from pfd.wording import counted
from pfd.workflow.labels_gate import MIXED, refused

if TYPE_CHECKING:
    from ase import Atoms

WAITING = "to-label.extxyz"
"""The frames that wait, in the folder ``external`` of the run."""
PUT_BACK = "labelled"
"""The folder beside it that takes files of labelled frames."""
FOUND, LEVEL = "found", "level.txt"
"""Beside it: the labels that were recognised, one file each, and the level of theory that they were asked for."""
SIGNS = ("converged", "scf_steps", "max_scf_steps")
"""Keys of a frame's info by which it is judged."""
SAME_A = 1e-3
"""A frame that was put back is the chosen one if no atom or cell vector is farther off, Å: files keep few digits."""
MOST_NAMED = 6
"""More frames that answer nothing are counted."""


@dataclass(frozen=True)
class _PutBack:
    """A frame that was put back, and its name: file and number in it."""

    name: str
    frame: Atoms


class ExternalLabels:
    """Labels that were put back into one run folder.

    Args:
        run: the run folder.
        settings: of the labeler.
    """

    def __init__(self, run: Path, settings: ExternalSettings) -> None:
        self.folder, self._settings = run / "external", settings

    def label_of(self, frame: Artifact) -> dict[str, Artifact]:
        """The input of the task that labels this frame: a file of the frame that was put back; nothing if none was.

        Raises:
            DataError: if a file that was put back cannot be read, says that it is of another level of theory, holds
                energies of two kinds, or if two labels of one frame differ.
        """
        chosen = read_frames(frame.path)[0]
        found = [each for each in self._put_back if not any(_difference(chosen, each.frame))]
        path = self.folder / FOUND / f"{frame_id(chosen)}.extxyz"
        if not found:  # a label that was found once stays, whatever becomes of its file
            return {"stored0": Artifact.of(path)} if path.is_file() else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        new, contents = path.with_suffix(".new"), set()
        for each in found:
            write_frames(new, [_labelled(chosen, each.frame)])
            contents.add(new.read_bytes())
            if len(contents) > 1:
                what = f"frame {frame_id(chosen)} was put back with two labels: {found[0].name} and {each.name}"
                raise DataError(what, where=str(self.folder / PUT_BACK), hint="keep one of them")
        new.replace(path)
        return {"stored0": Artifact.of(path)}

    def missing(self, frames: Sequence[Path]) -> str:
        """Write those of the frames that have no label yet, and say what to do; nothing if all have one.

        Raises:
            DataError: as ``label_of``.
        """
        waiting = [frame for frame in frames if not self.label_of(Artifact.of(frame))]
        strangers = self._strangers([read_frames(frame)[0] for frame in frames])
        if not waiting:
            for each in strangers:
                warnings.warn(each, UserWarning, stacklevel=2)
            return ""
        target = self.folder / PUT_BACK
        target.mkdir(parents=True, exist_ok=True)
        (self.folder / LEVEL).write_text(self._settings.level + "\n", encoding="utf-8")
        path = self.folder / WAITING
        write_frames(path, [read_frames(frame)[0] for frame in waiting])
        there = f" ({len(frames) - len(waiting)} of {len(frames)} have one" if self._put_back else ""
        there += f"; {counted(len(self._put_back), 'frame')} read in all)" if there else ""
        return (
            f"{counted(len(waiting), 'frame')} in {path} wait for labels{there}. Put files with energy, forces and "
            f"stress of the same atoms in the same order into {target}, then submit again; converged=F rejects a frame"
            + "".join(f"\n  none of them: {each}" for each in strangers)
        )

    def _strangers(self, chosen: Sequence[Atoms]) -> list[str]:
        """The frames that were put back and are no chosen one, of now or earlier: file, number, and what is off."""
        found = self.folder / FOUND
        earlier = [read_frames(path)[0] for path in sorted(found.glob("*.extxyz"))] if self._put_back else []
        lines = []
        for each in self._put_back:
            _, nearest = min(_difference(frame, each.frame) for frame in (*chosen, *earlier))
            if nearest:
                lines.append(f"{each.name} {nearest}")
        more = len(lines) - MOST_NAMED
        return [*lines[:MOST_NAMED], f"{counted(more, 'further frame')} of the same kind"] if more > 0 else lines

    @cached_property
    def _put_back(self) -> list[_PutBack]:
        """All frames that were put back."""
        asked, folder = self.folder / LEVEL, self.folder / PUT_BACK
        if asked.is_file() and (level := asked.read_text(encoding="utf-8").strip()) != self._settings.level:
            raise SettingError(
                f"the frames in {self.folder} were asked for as {level!r}, not {self._settings.level!r}",
                where="finetune.label.level",
                hint=f"restore the level; for labels of a new one, move {self.folder} away",
            )
        if folder.exists() and not folder.is_dir():
            what = "is a file, and should be a folder of files of labelled frames"
            raise DataError(what, where=str(folder), hint="move it away, make the folder, and put the file into it")
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        left_out = {path for path in paths if path.name.startswith(".") or path.name.endswith(("~", ".bak"))}
        put_back = [each for path in paths if path not in left_out for each in self._read(path)]
        frames = [each.frame for each in put_back]
        for finding in refused(PUT_BACK, frames):
            hint = "put back the energy whose gradient the forces are for all frames, as free_energy or as energy"
            raise DataError(finding.text, where=str(folder), hint=hint if finding.sign in MIXED else finding.hint)
        return put_back

    def _read(self, path: Path) -> list[_PutBack]:
        """The frames of one file.

        Raises:
            DataError: if it cannot be read, or says what is not so.
        """
        keys = {str(name): key for name, key in self._settings.labels.items()}
        try:
            found = read_outside(path, self._settings.format, keys, needs_labels=False).frames
        except DataError as error:
            hint = f"{error.hint}, or move it away if it holds no labels"
            raise DataError(error.what, where=str(path), hint=hint) from error
        require_level(found, self._settings.level, where=str(path))
        for number, frame in enumerate(found):
            if not isinstance(frame.info.get("converged", True), bool | np.bool_):
                what = f"converged is {frame.info['converged']!r} in frame {number}"
                raise DataError(what, where=str(path), hint="write T or F")
        return [_PutBack(f"{path.name} frame {number}", frame) for number, frame in enumerate(found)]


def _labelled(chosen: Atoms, other: Atoms) -> Atoms:
    """The chosen frame with the labels of the one that was put back, and what stands beside them.

    Digits that the file left out, and periodic images, are the chosen frame's; of where the file comes from nothing
    stays: that must not make it another label.
    """
    labelled = with_labels(with_origin(chosen), labels_of(other))
    labelled.info = {"id": labelled.info["id"]}
    kept = {key: value for key, value in other.info.items() if key in SIGNS or key.startswith(BESIDE)}
    labelled.info |= {key: bool(value) if key == "converged" else value for key, value in kept.items()}
    for key in [key for key in labelled.arrays if key not in {"numbers", "positions"}]:
        del labelled.arrays[key]
    for key, values in other.arrays.items():
        if key.startswith(BESIDE):
            labelled.set_array(key, values)
    return labelled


def _difference(chosen: Atoms, other: Atoms) -> tuple[float, str]:
    """How far a frame that was put back is from being the chosen one, and in words; 0 and nothing if it is that one.

    It has the same atoms in the same order, in the same cell, at the same places but for periodic images. Formats that
    know of no vacuum call every frame periodic; one that is less periodic than asked is another.
    """
    if len(chosen) != len(other) or (chosen.numbers != other.numbers).any():
        return math.inf, "has other atoms, or in another order, than the chosen frames"
    name = frame_id(chosen)
    if (chosen.pbc & ~other.pbc).any():
        return 1e9, f"has the atoms of {name} and is not periodic in the same directions"
    cell_off, positions_off = apart_A(chosen, other)
    if cell_off > SAME_A:
        return 1e6 + cell_off, f"has the atoms of {name} and a cell that is {cell_off:.2g} Å off"
    if positions_off > SAME_A:
        return positions_off, f"is {name} but for an atom that is {positions_off:.2g} Å off"
    return 0.0, ""
