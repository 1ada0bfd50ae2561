"""What a run has found so far: ``summary.json`` with stable keys for scripts, ``report-data.json`` for the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfd.evaluate.energy_sanity import absurd_energy
from pfd.evaluate.properties.results import PropertyResult
from pfd.frames import count_labels
from pfd.json_file import write_json
from pfd.models.family import read_model
from pfd.tasks.folder import Artifact, Result, TaskFolder
from pfd.workflow.budget import Budget
from pfd.workflow.citations import citations_of
from pfd.workflow.decisions import struck_out
from pfd.workflow.drift import Drift
from pfd.workflow.journal import union_seconds
from pfd.workflow.run_folder import RunFolder

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.config.reading import ResolvedInput

STEP_GROUPS = {
    "explore": "explore",
    "sample": "select",
    "select": "select",
    "label": "label",
    "train": "train",
    "predict": "evaluate",
    "evaluate": "evaluate",
    "time": "evaluate",
    "property": "evaluate",
}
"""Which figure of ``seconds`` a step counts for; other steps count for ``other``."""
TOLD = (
    "frames",
    "energy_rmse_meV_per_atom",
    "energy_rmse_interval",
    "force_rmse_meV_per_A",
    "force_rmse_interval",
    "force_rmse_relative",
    "force_slope",
    "stress_rmse_GPa",
)
"""Of an error report, what ``summary.json`` tells; intervals are of 95 %, in the unit of their number."""


@dataclass
class Compared:
    """One model in the final comparison."""

    card: dict[str, Any]
    errors: dict[str, Any]
    parity: dict[str, Any]
    user_errors: dict[str, Any] | None = None
    us_per_atom_step: float | None = None

    @classmethod
    def of(cls, model: Artifact, errors: TaskFolder) -> Compared:
        """From a model's folder and the task that scored it."""
        content = _errors(errors)
        return cls(read_model(model.path).card.model_dump(mode="json"), content["report"], content["parity"])


@dataclass
class Outcome:
    """Filled while the run goes on; ``status`` is the last to change."""

    name: str
    seed: int
    budget: Budget
    resolved: ResolvedInput | None = None
    """The input, whose methods are cited."""
    written: Callable[[], None] = lambda: None
    """Called when there are new results in the files."""
    status: str = "running"
    models: dict[str, Compared] = field(default_factory=dict)
    student_vs_teacher: dict[str, Any] | None = None
    anchor_us: float | None = None
    iterations: list[dict[str, Any]] = field(default_factory=list)
    preflight: list[dict[str, Any]] = field(default_factory=list)
    """What finer settings of the labeler change (``SettingChange``)."""
    rejected: list[dict[str, str]] = field(default_factory=list)
    flagged: list[dict[str, str]] = field(default_factory=list)
    """Accepted labels of which something is doubtful: ``id`` and ``reason``."""
    trajectories: list[dict[str, Any]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    """Each part of each loop's data: frames, labels and compositions in it."""
    students: list[dict[str, Any]] = field(default_factory=list)
    """The students that were compared (``StudentTrial``), if the input leaves the choice open."""
    kept_labels: int = 0
    """Of the labels that count as asked for: those that an earlier input made, and this one did not ask for again."""
    drift: Drift = field(default_factory=Drift)
    """The fine-tuned model against the pre-trained one, outside the domain."""
    properties: list[PropertyResult] = field(default_factory=list)
    """Physical properties of the models."""
    user_test: dict[str, Any] | None = None
    """Of the user's own test set: ``frames``, ``in_training`` (how many were trained on), and force RMSE ``apart``."""

    def add(self, key: str, compared: Compared) -> None:
        """A model's errors on the fixed test set."""
        self.models[key] = compared

    def add_user_errors(self, key: str, errors: TaskFolder) -> None:
        """A model's errors on the user's own test set."""
        self.models[key].user_errors = _errors(errors)["report"]

    def add_user_test(self, overlap: TaskFolder) -> bool:
        """How much of the user's own test set was trained on; True if that is some of it, and not all."""
        content = json.loads((overlap.path / "outputs" / "overlap.json").read_text(encoding="utf-8"))
        count = len(content["in_training"])
        self.user_test = {"frames": content["frames"], "in_training": count, "apart": {}}
        return 0 < count < int(content["frames"])

    def add_apart(self, key: str, errors: TaskFolder) -> None:
        """A model's errors on those frames of the user's own test set that nobody trained on."""
        assert self.user_test is not None
        self.user_test["apart"][key] = _errors(errors)["report"]["force_rmse_meV_per_A"]

    def add_data(self, loop: str, part: str, frames: Sequence[Atoms]) -> None:
        """What a part of a loop's data holds."""
        compositions = Counter(frame.symbols.formula.reduce()[0].format("hill") for frame in frames)
        counts = count_labels(frames)
        self.data.append({"loop": loop, "part": part, **counts, "compositions": dict(sorted(compositions.items()))})

    def add_speed(self, key: str, measured: dict[str, Any]) -> None:
        """A model's speed, and the anchor's that was measured beside it."""
        self.models[key].us_per_atom_step = measured["us_per_atom_step"]
        self.anchor_us = measured.get("anchor_us_per_atom_step", self.anchor_us)
        if key == "student" and "scratch" in self.models:
            self.models["scratch"].us_per_atom_step = measured["us_per_atom_step"]
        if key == "finetuned":
            self.models["pretrained"].us_per_atom_step = measured["us_per_atom_step"]

    def end(self, converged: list[bool]) -> None:
        """Every loop has ended."""
        self.status = "converged" if converged and all(converged) else "not_converged"

    def write(self, run: RunFolder) -> None:
        """Write both files into the run folder."""
        seconds, costs = _costs(run)
        versions, licences = _software(run)
        common: dict[str, Any] = {
            "name": self.name,
            "status": self.status,
            "seed": self.seed,
            "seconds": seconds,
            "versions": versions,
        }
        common["warnings"] = self.warnings()
        common["properties"] = [result.model_dump(mode="json") for result in self.properties]
        report = {
            "models": {
                key: {
                    "card": model.card,
                    "errors": model.errors,
                    "parity": model.parity,
                    "user_errors": model.user_errors,
                    "us_per_atom_step": model.us_per_atom_step,
                }
                for key, model in self.models.items()
            },
            "student_vs_teacher": self.student_vs_teacher,
            "anchor": {"name": "Stillinger-Weber", "us_per_atom_step": self.anchor_us} if self.anchor_us else None,
            "iterations": self.iterations,
            "preflight": self.preflight,
            "rejected": self.rejected,
            "flagged": self.flagged,
            "struck": struck_out(run.journal.read()),
            "students": self.students,
            "kept_labels": self.kept_labels,
            "data": self.data,
            "trajectories": self.trajectories,
            "user_test": self.user_test,
            "drift": self.drift.report,
            "drift_note": self.drift.note,
            "costs": costs,
            "licences": licences,
            "citations": self._citations(versions),
        }
        write_json(run.path / "report-data.json", common | report)
        write_json(run.path / "summary.json", common | self._summary())
        self.written()

    def _citations(self, versions: dict[str, str]) -> list[dict[str, str]]:
        cards = {key: model.card for key, model in self.models.items()}
        return citations_of(self.resolved, cards, versions) if self.resolved is not None else []

    def warnings(self) -> list[str]:
        """What a user of the models must know, although the run has ended well."""
        errors = {
            key: None if model.errors.get("bad_energies") else model.errors.get("energy_rmse_meV_per_atom")
            for key, model in self.models.items()
        }
        teacher = errors.get("finetuned", errors.get("pretrained"))
        found = absurd_energy(errors.get("student"), teacher)
        return [found] if found else []

    def _summary(self) -> dict[str, Any]:
        models = {
            key: {
                "path": f"models/{key}",
                "family": model.card["family"],
                "parameters": model.card["parameters"],
                "test": {key: model.errors[key] for key in TOLD},
                "user_test": None if model.user_errors is None else {key: model.user_errors[key] for key in TOLD},
                "us_per_atom_step": model.us_per_atom_step,
            }
            for key, model in self.models.items()
        }
        if "scratch" in models:
            models["scratch"]["path"] = None
        return {
            "models": models,
            "student_vs_teacher": {key: self.student_vs_teacher[key] for key in TOLD}
            if self.student_vs_teacher
            else None,
            "speedup_student_over_teacher": self._speedup(),
            "labels": self.budget.counts() | {"kept": self.kept_labels, "flagged": len(self.flagged)},
            "preflight": self.preflight,
            "students": self.students,
            "user_test": self.user_test,
            "iterations": len(self.iterations),
        }

    def _speedup(self) -> float | None:
        teacher = self.models.get("finetuned") or self.models.get("pretrained")
        student = self.models.get("student")
        if teacher is None or student is None or not teacher.us_per_atom_step or not student.us_per_atom_step:
            return None
        return teacher.us_per_atom_step / student.us_per_atom_step


def _errors(folder: TaskFolder) -> dict[str, Any]:
    path: Path = folder.path / "outputs" / "errors.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _software(run: RunFolder) -> tuple[dict[str, str], dict[str, str]]:
    """Versions and licences of what computed, from the results of all tasks of the run."""
    versions: dict[str, str] = {}
    licences: dict[str, str] = {}
    for _, result in _done(run):
        versions |= result.versions
        licences |= result.licences
    return versions, licences


def _done(run: RunFolder) -> Iterator[tuple[TaskFolder, Result]]:
    """The tasks that are done, with their results."""
    for folder in run.used.values():
        result = folder.result()
        if result is not None and result.status == "done":
            yield folder, result


def _costs(run: RunFolder) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Seconds by step, and tasks and core seconds by step, from the results of all tasks of the run."""
    totals = dict.fromkeys(("explore", "select", "label", "train", "evaluate", "other", "imports"), 0.0)
    busy: list[tuple[float, float]] = []
    costs: dict[str, dict[str, float]] = {}
    for folder, result in _done(run):
        group = STEP_GROUPS.get(folder.task()["step"], "other")
        totals[group] += result.seconds
        cost = costs.setdefault(group, {"tasks": 0, "seconds": 0.0, "core_seconds": 0.0})
        cost["tasks"] += 1
        cost["seconds"] += result.seconds + result.import_seconds
        cost["core_seconds"] += (result.seconds + result.import_seconds) * result.cores
        totals["imports"] += result.import_seconds
        busy.append((result.started - result.import_seconds, result.started + result.seconds))
    wall = union_seconds(run.journal.sessions(busy))
    totals["orchestration"] = max(0.0, wall - union_seconds(busy))
    totals["wall"] = wall
    rounded = {group: {key: round(value, 3) for key, value in cost.items()} for group, cost in costs.items()}
    return {key: round(value, 3) for key, value in totals.items()}, rounded
