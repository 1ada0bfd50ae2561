"""One turn of the loop: where it stands, the tasks that it consists of, and what the report says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pfd.evaluate.decision import Decision
from pfd.tasks.folder import Artifact, TaskFolder


@dataclass(frozen=True)
class Dataset:
    """Labelled frames so far; None before the first collection."""

    train: Artifact | None = None
    valid: Artifact | None = None

    def inputs(self) -> dict[str, Artifact]:
        """The parts that exist, by name."""
        return {name: part for name, part in (("train", self.train), ("valid", self.valid)) if part is not None}


@dataclass
class LoopState:
    """What a loop has reached."""

    dataset: Dataset = Dataset()
    """All labelled frames so far: what the next model is trained on."""
    trained: Dataset = Dataset()
    """What the model at hand was trained on: those of a student's own MD are labelled after its training."""
    labels: Artifact | None = None
    """First-principles labels that a student is fitted to beside its teacher's."""
    model: Artifact | None = None
    test: Artifact | None = None
    explored: list[Artifact] = field(default_factory=list)
    """All trajectories so far: candidates for whoever comes next, at no further cost."""
    decision: Decision | None = None


@dataclass(frozen=True)
class Iteration:
    """Where in the loop we are: ``number`` counts all iterations, ``round`` those of this stage."""

    number: int = 0
    stage: int = 0
    round: int = 0


@dataclass
class Turn:
    """The tasks of one iteration, filled in as they are done."""

    at: Iteration
    place: str
    own: bool = False
    """Whether a model of this loop explored."""
    explored: list[TaskFolder] = field(default_factory=list)
    lost: int = 0
    """Explorations that were given up."""
    select: TaskFolder | None = None
    reviewed: TaskFolder | None = None
    """The same choice without the frames that somebody struck out."""
    collect: TaskFolder | None = None
    prospective: TaskFolder | None = None
    calibration: TaskFolder | None = None
    """What the committee's disagreement says of its error, if there is a committee."""
    train: TaskFolder | None = None
    test: TaskFolder | None = None
    own_md: list[TaskFolder] = field(default_factory=list)
    own_lost: int = 0
    """Runs of the student's own MD that were given up."""
    properties: TaskFolder | None = None
    """The physical properties held against their limits, where they enter the decision."""
    own_frames: TaskFolder | None = None
    """The frames sampled from the student's own MD."""


def turn_record(loop: str, turn: Turn, decision: Decision, asked: int) -> dict[str, Any]:
    """What the report says of a finished turn.

    Args:
        loop: ``finetune`` or ``distill``.
        turn: with all of its tasks done.
        decision: what was decided after it.
        asked: labels asked for in the whole run so far.
    """
    assert turn.reviewed is not None
    assert turn.collect is not None
    assert turn.train is not None
    assert turn.test is not None
    selection = content_of(turn.reviewed, "selection.json")
    collected = content_of(turn.collect, "counts.json")
    counts = {key: collected[key] for key in ("asked", "accepted", "rejected")}
    test = content_of(turn.test, "errors.json")
    prospective = content_of(turn.prospective, "errors.json") if turn.prospective is not None else None
    return {
        "loop": loop,
        "iteration": turn.at.number,
        "stage": turn.at.stage,
        "labels": counts | {"total": asked, "known": collected["train"] + collected["valid"]},
        "selected": selection["selected"],
        "candidates": selection["candidates"],
        "passed": selection.get("passed"),
        "refused": selection["refused"],
        "coverage": selection.get("coverage"),
        "gains": selection["gains"],
        "struck": selection.get("struck", 0),
        "committee": content_of(turn.calibration, "calibration.json") if turn.calibration is not None else None,
        "prospective": prospective["report"] if prospective is not None else None,
        "test": test["report"],
        "curve": content_of(turn.train, "training.json")["curve"],
        "verdicts": test["verdicts"] + (prospective["verdicts"] if prospective is not None else []),
        "properties": content_of(turn.properties, "held.json")["held"] if turn.properties is not None else [],
        "decision": decision.action,
        "reason": decision.reason,
    }


def content_of(folder: TaskFolder, name: str) -> dict[str, Any]:
    """A JSON output of a finished task."""
    path: Path = folder.path / "outputs" / name
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def trajectory_record(folder: TaskFolder) -> dict[str, Any]:
    """What the report keeps of one trajectory."""
    report = content_of(folder, "report.json")
    keys = (
        "name",
        "temperature_K",
        "pressure_GPa",
        "finished",
        "stop_reason",
        "steps",
        "mean_temperature_K",
        "structure",
    )
    return {key: report[key] for key in keys}
