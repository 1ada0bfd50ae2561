"""Chosen frames that a person looks at before they are labelled: what waits, and what was decided of each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pfd.frames import read_frames, write_frames
from pfd.tasks.folder import TaskFolder, TaskSpec
from pfd.wording import counted
from pfd.workflow.bindings import Binding
from pfd.workflow.decisions import before_last_edit, decisions
from pfd.workflow.journal import Event
from pfd.workflow.look import last_word
from pfd.workflow.pause import FOR_APPROVAL, Paused
from pfd.workflow.run_folder import RunFolder
from pfd.workflow.turn import content_of

if TYPE_CHECKING:
    from ase import Atoms

FOLDER, FILE = "review", "frames.extxyz"
"""Folder of a run, and the file in it that holds the frames which wait for a decision."""
PLACE_KEY, GAIN_KEY = "chosen_in", "gain_nats"
"""In the ``info`` of such a frame: the part of the loop that chose it, and the surprise for which it was picked."""


def to_approve(run: Path, events: Sequence[Event]) -> list[Atoms]:
    """The frames that a run waits for somebody to look at, in the order in which they are counted; none otherwise.

    Until the run goes on, they stay the same, whatever was decided of them since.

    Raises:
        DataError: if their file is not there, or damaged.
    """
    last = last_word(events)
    waits = last["event"] == "paused" and last["after"] == FOR_APPROVAL
    return read_frames(run / FOLDER / FILE) if waits else []


class Review:
    """What a person decided of the frames that one loop chooses.

    The decisions stand in the journal, by the frames' ids. Which of them a selection knows of depends on the order of
    the loop alone, so that going through the run again makes the same selections: a frame that was struck out is kept
    from those that come later, and after an edit of the input from all that the edit changed.

    Args:
        run: where tasks are performed.
        binding: whose loop.
    """

    def __init__(self, run: RunFolder, binding: Binding) -> None:
        self._run, self._waits = run, binding.settings.pause == "before_label"
        events = run.journal.read()
        self._decided = decisions(events)
        others = [event for event in events if event.get("loop") != binding.name]
        before = decisions([*before_last_edit(events), *(others if binding.name == "distill" else ())])
        self.earlier = frozenset(name for name, good in before.items() if not good)
        """Frames that were struck out before the input was edited last; in distillation, in fine-tuning too."""
        self.struck: frozenset[str] = frozenset()
        """Those that were struck out of this loop's batches so far."""

    def of(self, chosen: Mapping[str, TaskFolder]) -> dict[str, TaskFolder]:
        """The batches without the frames that were struck out.

        Args:
            chosen: place of the label tasks -> the task that chose the frames.

        Raises:
            Paused: if nobody has decided of some of the frames yet, and somebody is to.
        """
        ids = {place: _ids(selection) for place, selection in chosen.items()}
        if self._waits and any(name not in self._decided for names in ids.values() for name in names):
            raise Paused(FOR_APPROVAL, self._ask(chosen))
        struck = {place: [name for name in names if self._decided.get(name) is False] for place, names in ids.items()}
        self.struck |= {name for names in struck.values() for name in names}
        return {place: self._without(place, selection, struck[place]) for place, selection in chosen.items()}

    def _without(self, place: str, selection: TaskFolder, struck: Sequence[str]) -> TaskFolder:
        if not struck:
            return selection
        inputs = {name.partition(".")[0]: selection.output(name) for name in ("selected.extxyz", "selection.json")}
        where = str(PurePosixPath(place).with_name("strike"))
        return self._run.one(where, TaskSpec("strike", {"struck": sorted(struck)}, inputs))

    def _ask(self, chosen: Mapping[str, TaskFolder]) -> str:
        """Write the frames that nobody has decided of, and say what to do."""
        waiting: dict[str, Atoms] = {}
        for place, selection in chosen.items():
            gains = content_of(selection, "selection.json").get("gains", [])
            frames = read_frames(selection.path / "outputs" / "selected.extxyz")
            for number, frame in enumerate(frames):
                if frame.info["id"] not in self._decided:
                    frame.info[PLACE_KEY] = str(PurePosixPath(place).parent)
                    frame.info |= {GAIN_KEY: gains[number]} if number < len(gains) else {}
                    waiting.setdefault(frame.info["id"], frame)
        path = self._run.path / FOLDER / FILE
        path.parent.mkdir(exist_ok=True)
        write_frames(path, list(waiting.values()))
        return f"{counted(len(waiting), 'chosen frame')} in {FOLDER}/{FILE} of the run wait to be looked at"


def _ids(selection: TaskFolder) -> list[str]:
    return sorted(path.stem for path in (selection.path / "outputs" / "frames").iterdir())
