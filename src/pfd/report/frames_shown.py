"""The frames that the page's 3-D viewer shows: those that were chosen for labels, and the worst of the test set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pfd.frames import read_frames
from pfd.json_file import read_json
from pfd.report.data import ReportData
from pfd.report.table import number
from pfd.report.words import place_in_words
from pfd.tasks.folder import TaskFolder
from pfd.workflow.review import GAIN_KEY, PLACE_KEY

if TYPE_CHECKING:
    from ase import Atoms

MOST_FRAMES = 60
"""Chosen frames in the viewer; of more, those with a remark and an even share of the others."""
MOST_ATOMS = 40_000
"""Atoms in all frames of the viewer: about 0.6 MB of the page."""
WORST = 8
"""Test frames in the viewer."""
LOOPS = {"finetune": "fine-tuning", "distill": "distillation"}
TOLD = {"temperature_K": "K", "pressure_GPa": "GPa"}


@dataclass(frozen=True)
class ShownFrame:
    """One frame.

    Attributes:
        id: the frame's.
        group: what it is shown as, such as ``fine-tuning 0``.
        title: a short name within its group.
        facts: what else is known of it, in words.
        atoms: its geometry.
        remark: that it waits, was approved or struck out, or why its label was rejected or flagged; empty if nothing of
            that is so.
    """

    id: str
    group: str
    title: str
    facts: str
    atoms: Atoms
    remark: str = ""

    def content(self) -> dict[str, Any]:
        """For the script: elements, positions in 0.01 Å, and the cell's vectors in Å where it is periodic."""
        elements = sorted(set(self.atoms.get_chemical_symbols()))
        kinds = [elements.index(symbol) for symbol in self.atoms.get_chemical_symbols()]
        periodic = self.atoms.pbc.any() and self.atoms.cell.rank == 3
        return {
            "id": self.id,
            "group": self.group,
            "title": self.title,
            "facts": self.facts,
            "elements": elements,
            "kinds": kinds,
            "xyz": [round(100 * float(value)) for value in self.atoms.positions.ravel()],
            "cell": self.atoms.cell.array.round(4).tolist() if periodic else None,
        }


@dataclass(frozen=True)
class ShownFrames:
    """All frames of the viewer.

    Attributes:
        frames: those that wait, then the others in the order of choice.
        chosen: frames chosen in the whole run, and those that wait.
        note: what is left out; empty if nothing is.
    """

    frames: list[ShownFrame] = field(default_factory=list)
    chosen: int = 0
    note: str = ""


NO_FRAMES = ShownFrames()


def shown_frames(
    folders: Iterable[TaskFolder],
    data: ReportData,
    run_folder: Path,
    worst: Sequence[str],
    waiting: Sequence[Atoms] = (),
    decided: Mapping[str, bool] = MappingProxyType({}),
) -> ShownFrames:
    """Gather the frames of a run.

    Args:
        folders: the run's tasks that count; only those that chose frames are read.
        data: what the report knows.
        run_folder: where the test set is published.
        worst: ids of the test frames to show.
        waiting: frames that somebody is to look at, in the order in which ``pfd approve`` counts them; shown first.
        decided: id of a frame -> whether somebody has approved it, or struck it out.
    """
    choices = sorted((folder for folder in folders if _chooses(folder)), key=_when)
    asked = _waiting(waiting, decided)
    known = {frame.id for frame in asked}
    chosen = asked + [frame for folder in choices for frame in _chosen(folder, data) if frame.id not in known]
    kept = _sampled(chosen, MOST_FRAMES)
    fitting, atoms = [], 0
    for frame in [*kept, *_test_frames(run_folder, worst)]:
        if atoms + len(frame.atoms) <= MOST_ATOMS:
            fitting.append(frame)
            atoms += len(frame.atoms)
    of_choice = sum(frame.group != TEST for frame in fitting)
    note = ""
    if of_choice < len(chosen):
        note = (
            f"{of_choice} of {len(chosen)} chosen frames are shown: those with a remark, and an even share of the "
            f"others, {MOST_ATOMS} atoms at most."
        )
    return ShownFrames(fitting, len(chosen), note)


TEST, TO_APPROVE = "test set", "to be approved"


def _chooses(folder: TaskFolder) -> bool:
    loop, part, step = folder.place
    chose = loop in LOOPS and step == "select" and re.fullmatch(r"iter-\d+|initial", part) is not None
    return chose and folder.done() and _file(folder).is_file()  # it may have been cleared away


def _file(folder: TaskFolder) -> Path:
    return folder.path / "outputs" / "selected.extxyz"


def _when(folder: TaskFolder) -> tuple[int, bool, str]:
    loop, part, _ = folder.place
    return list(LOOPS).index(loop), part != "initial", part


def _chosen(folder: TaskFolder, data: ReportData) -> list[ShownFrame]:
    loop, part, _ = folder.place
    when = "start" if part == "initial" else str(int(part.removeprefix("iter-")))
    frames = read_frames(_file(folder))
    gains = (read_json(folder.path / "outputs" / "selection.json") or {}).get("gains", [])
    remarks = {label.id: f"flagged: {label.reason}" for label in data.flagged}
    remarks |= {label.id: f"rejected: {label.reason}" for label in data.rejected}
    remarks |= {frame.id: f"struck out by {frame.by}" for frame in data.struck}
    shown = []
    for pick, frame in enumerate(frames, 1):
        name = str(frame.info.get("id", ""))
        facts = _facts(frame)
        if len(gains) == len(frames):
            facts.append(f"gain {number(gains[pick - 1])} nats")
        title = f"pick {pick} of {len(frames)}"
        group = f"{LOOPS[loop]} {when}"
        shown.append(ShownFrame(name, group, title, ", ".join(facts), frame, remarks.get(name, "")))
    return shown


def _waiting(frames: Sequence[Atoms], decided: Mapping[str, bool]) -> list[ShownFrame]:
    """Frames to be approved, with the numbers that ``pfd approve --strike`` takes."""
    remarks = {None: "waits for you", True: "approved", False: "struck out"}
    shown = []
    for index, frame in enumerate(frames, 1):
        name, facts = str(frame.info.get("id", "")), _facts(frame)
        if GAIN_KEY in frame.info:
            facts.append(f"gain {number(float(frame.info[GAIN_KEY]))} nats")
        facts += [f"chosen in {place_in_words(f'{frame.info[PLACE_KEY]}/select')}"] if PLACE_KEY in frame.info else []
        title, remark = f"number {index} of {len(frames)}", remarks[decided.get(name)]
        shown.append(ShownFrame(name, TO_APPROVE, title, ", ".join(facts), frame, remark))
    return shown


def _test_frames(run_folder: Path, worst: Sequence[str]) -> list[ShownFrame]:
    """The named frames of the fixed test set, in the order of the names."""
    published = (run_folder / "data" / f"{loop}-test.extxyz" for loop in LOOPS)
    path = next((path for path in published if path.is_file()), None)
    if path is None or not worst:
        return []
    found = {str(frame.info.get("id", "")): frame for frame in read_frames(path)}
    return [
        ShownFrame(name, TEST, f"error rank {rank}", ", ".join(_facts(found[name])), found[name])
        for rank, name in enumerate(worst, 1)
        if name in found
    ]


def _facts(frame: Atoms) -> list[str]:
    facts = [f"{frame.get_chemical_formula()}"]
    facts += [
        f"{frame.info[key]:g} {unit}" for key, unit in TOLD.items() if isinstance(frame.info.get(key), float | int)
    ]
    if "trajectory" in frame.info:
        step = f", step {frame.info['step']}" if "step" in frame.info else ""
        facts.append(f"{frame.info['trajectory']}{step}")
    return facts


def _sampled(frames: Sequence[ShownFrame], most: int) -> list[ShownFrame]:
    """At most so many, in order: those with a remark first, and of the others evenly spaced ones."""
    if len(frames) <= most:
        return list(frames)
    remarked = [index for index, frame in enumerate(frames) if frame.remark][:most]
    others = [index for index, frame in enumerate(frames) if not frame.remark]
    room = most - len(remarked)
    even = [others[index * len(others) // room] for index in range(min(room, len(others)))]
    return [frames[index] for index in sorted({*remarked, *even})]
