"""What a report is made of: the typed content of ``report-data.json``, every part of which may still be missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pfd.errors import RunError
from pfd.evaluate import ErrorReport, Parity, Verdict
from pfd.evaluate.preflight import SettingChange
from pfd.evaluate.properties.judge import Held
from pfd.evaluate.properties.results import PropertyResult
from pfd.evaluate.student_choice import StudentTrial
from pfd.frames.radial import RadialStructure
from pfd.models.family import EpochRecord, ModelCard
from pfd.settings import Settings

DATA_FILE = "report-data.json"
SUMMARY_FILE = "summary.json"
JOURNAL_FILE = "journal.jsonl"

ModelKey = Literal["pretrained", "finetuned", "student", "scratch"]
MODEL_NAMES: dict[ModelKey, str] = {
    "pretrained": "pre-trained",
    "finetuned": "fine-tuned",
    "student": "student",
    "scratch": "student from scratch",
}
"""What the models are called on the page and in the table, in the order of their rows."""


class ModelResult(Settings):
    """One model on the fixed test set."""

    errors: ErrorReport | None = None
    """Errors against the labels of the fixed test set."""
    user_errors: ErrorReport | None = None
    """Errors on the user's own ``evaluate.test_file``, reported apart."""
    parity: Parity | None = None
    """Points of the parity plots on the fixed test set."""
    card: ModelCard | None = None
    """What the model says of itself."""
    us_per_atom_step: float | None = None
    """Microseconds per atom and MD step at 512 atoms on one thread."""


class Anchor(Settings):
    """A potential of known cost, timed back to back with the models."""

    name: str
    """Such as ``Stillinger-Weber``."""
    us_per_atom_step: float
    """Microseconds per atom and MD step, as for the models."""


class IterationResult(Settings):
    """One turn of the loop."""

    loop: Literal["finetune", "distill"]
    """Which binding of the loop."""
    iteration: int
    """Counted from 0 in its loop."""
    stage: int = 0
    """Index of the exploration stage."""
    labels: dict[str, int] = Field(default_factory=dict)
    """``asked``, ``accepted``, ``rejected`` in this iteration; ``total``: all labels used in this loop so far
    (training, validation, test, shift); ``known``: those that its model was trained or validated on."""
    selected: int | None = None
    """Frames that were chosen for labelling, without those that somebody struck out."""
    struck: int = 0
    """Frames that were chosen and that somebody struck out."""
    candidates: int | None = None
    """Frames that exploration gave."""
    passed: int | None = None
    """Of the candidates, those that the sanity gate let pass and that are no twins of known frames."""
    refused: dict[str, int] = Field(default_factory=dict)
    """Why the others are not among them: reason -> candidates."""
    coverage: tuple[float, float] | None = None
    """Part of the candidates' environments that the data held before the choice, and hold with the chosen frames."""
    gains: tuple[float, ...] = ()
    """Entropy gain of each pick when it was chosen, nats, in the order of choice."""
    prospective: ErrorReport | None = None
    """Errors on the newly labelled frames before the model trained on them."""
    test: ErrorReport | None = None
    """Errors on the loop's fixed test set after training."""
    committee: dict[str, float | None] | None = None
    """What the committee's disagreement said of its error on the new ``frames``: ``scale`` (RMS error over RMS
    deviation) and rank ``correlation``; None where no committee was asked."""
    curve: tuple[EpochRecord, ...] = ()
    """The learning curve."""
    verdicts: tuple[Verdict, ...] = ()
    """Each limit held against the errors."""
    properties: tuple[Held, ...] = ()
    """Physical properties held against their limits, where they entered the decision."""
    decision: str = ""
    """What was decided after it."""
    reason: str = ""
    """Why."""


class JudgedLabel(Settings):
    """One label that did not meet the acceptance rules, or did, with something doubtful about it."""

    id: str
    """The frame's id."""
    reason: str
    """What is wrong with it."""


class StruckFrame(Settings):
    """A chosen frame that a person looked at and left out (``pause: before_label``); why is not asked."""

    id: str
    """The frame's id."""
    loop: Literal["finetune", "distill"]
    """The loop that chose it."""
    by: str
    """The user who struck it out."""
    when: float
    """Unix time, s."""


class TrajectoryResult(Settings):
    """One trajectory of the exploration or of the student's own MD."""

    name: str
    """Its name within the run."""
    temperature_K: float | None = None
    """The temperature asked for, K."""
    pressure_GPa: float | None = None
    """The pressure asked for, GPa; None unless the cell moved."""
    finished: bool
    """False if a stop check ended it."""
    stop_reason: str | None = None
    """Which check, and by how much."""
    steps: int | None = None
    """MD steps done."""
    mean_temperature_K: float | None = None
    """Mean temperature after equilibration."""
    structure: RadialStructure | None = None
    """What an annealing ended in."""


class DataPart(Settings):
    """A part of a loop's labelled data."""

    loop: Literal["finetune", "distill"]
    """Whose."""
    part: Literal["train", "valid", "labels", "test"]
    """Which; ``labels`` are those of first principles that a student was fitted to as well."""
    frames: int
    """Frames in it."""
    energy: int
    """Frames with an energy."""
    forces: int
    """Frames with forces."""
    stress: int
    """Frames with a stress."""
    compositions: dict[str, int]
    """Formula, reduced, in Hill's order -> frames."""


class UserTest(Settings):
    """How far the user's own test set is a test."""

    frames: int
    """Frames in it."""
    in_training: int = 0
    """How many of them, or near twins of them, were trained on."""
    apart: dict[ModelKey, float] = Field(default_factory=dict)
    """Force RMSE, meV/Å, of each model on the others, if some but not all were trained on."""


class StepCost(Settings):
    """What the tasks of one step took."""

    tasks: int
    """How many ended with a result."""
    seconds: float
    """Their wall times, summed, imports included."""
    core_seconds: float
    """The same times the cores that each was given."""


class Citation(Settings):
    """A source of something that the run used."""

    used_for: str
    """What it is the source of."""
    text: str
    """The reference."""


class ReportData(Settings):
    """The content of ``report-data.json``; a running run has parts of it."""

    name: str = ""
    """The run's name."""
    status: str = "running"
    """``running``, ``converged``, ``not_converged`` or ``failed``."""
    models: dict[ModelKey, ModelResult] = Field(default_factory=dict)
    """The models compared on the fixed test set."""
    student_vs_teacher: ErrorReport | None = None
    """Student against its teacher's labels on distillation's own test set."""
    anchor: Anchor | None = None
    """A potential of known cost beside which the speeds can be read."""
    iterations: tuple[IterationResult, ...] = ()
    """All iterations, oldest first."""
    preflight: tuple[SettingChange, ...] = ()
    """What finer settings of the labeler changed."""
    warnings: tuple[str, ...] = ()
    """What a user of the models must know, although the run has ended well."""
    rejected: tuple[JudgedLabel, ...] = ()
    """Labels that were refused."""
    flagged: tuple[JudgedLabel, ...] = ()
    """Labels that were accepted although something is doubtful about them."""
    struck: tuple[StruckFrame, ...] = ()
    """Chosen frames that a person struck out: neither labelled nor chosen again."""
    students: tuple[StudentTrial, ...] = ()
    """The students that were compared where the input leaves the choice open (``student: auto``)."""
    kept_labels: int = 0
    """Labels of an earlier input that are in the training set as well."""
    data: tuple[DataPart, ...] = ()
    """What each part of each loop's data holds."""
    trajectories: tuple[TrajectoryResult, ...] = ()
    """Trajectories run so far."""
    properties: tuple[PropertyResult, ...] = ()
    """Physical properties of the models."""
    user_test: UserTest | None = None
    """What is known of the user's own test set."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds by step, and ``wall``."""
    costs: dict[str, StepCost] = Field(default_factory=dict)
    """What the tasks of each step took."""
    drift: ErrorReport | None = None
    """The fine-tuned model against the pre-trained one on crystals of elements that it was not fine-tuned on."""
    drift_note: str = ""
    """Why there is no ``drift``."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of what computed."""
    licences: dict[str, str] = Field(default_factory=dict)
    """Their licences, where the packages name one."""
    seed: int | None = None
    """The run's seed."""
    citations: tuple[Citation, ...] = ()
    """What to cite."""


def read_report_data(run_folder: Path) -> ReportData:
    """Read ``report-data.json``, with what only ``summary.json`` knows filled in from there.

    Raises:
        RunError: if the folder is not there, or a file in it is damaged or written by another version.
    """
    if not run_folder.is_dir():
        raise RunError("no such run folder", where=str(run_folder), hint="give the folder that `pfd submit` made")
    data = read_object(run_folder / DATA_FILE)
    summary = read_object(run_folder / SUMMARY_FILE)
    for key in ("name", "status", "seconds", "versions", "seed"):
        if key in summary and data.get(key) in (None, "", {}):
            data[key] = summary[key]
    if summary.get("status"):
        data["status"] = summary["status"]  # written last, when the run ends
    try:
        return ReportData.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{place}: {first['msg']}",
            where=str(run_folder / DATA_FILE),
            hint="use the version of pfd that wrote the run, or submit the input again to write it anew",
        ) from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file, empty if there is no such file.

    Raises:
        RunError: if the file does not hold a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"not readable as JSON ({error})", where=str(path), hint="submit the input again") from error
    if not isinstance(value, dict):
        raise RunError("holds no JSON object", where=str(path), hint="submit the input again")
    return value
