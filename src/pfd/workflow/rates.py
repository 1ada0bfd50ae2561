"""What a unit of work has cost: read from the finished tasks of a run, or from what earlier runs on this host left."""

from __future__ import annotations

import os
import socket
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pfd.config.reading import ResolvedInput
from pfd.digests import json_digest
from pfd.errors import PFDError
from pfd.json_file import read_json, write_json
from pfd.label.labeler import make_labeler
from pfd.models.linear_fit import LinearFitSettings
from pfd.models.torch_training import FineTuneSettings
from pfd.settings import Settings
from pfd.tasks.folder import TaskFolder
from pfd.wording import counted
from pfd.workflow.bindings import resources_of
from pfd.workflow.turn import content_of

LABEL_POWER = 2.0
"""How the cost of a label is taken to grow with its atoms; selection takes it so too (``score: per_cost``)."""
Totals = dict[str, tuple[float, float, int]]
"""Key of a rate -> units, seconds, tasks."""


@dataclass(frozen=True)
class Rate:
    """Seconds for a unit of work.

    Units are an atom and MD step, an atom of a teacher's label, an atom that a training evaluates, and the square of
    the atoms of a label of first principles.

    Attributes:
        seconds: for one unit.
        source: where that was measured, for a person.
    """

    seconds: float
    source: str


def keys_of(resolved: ResolvedInput) -> dict[str, str]:
    """What rates are kept under: ``teacher``, ``student`` (MD), ``teach``, ``label``, ``finetune``, ``fit``.

    Other cores or another device are another rate.
    """
    return {
        kind: f"{work} on {_where(resources_of(resolved, _STEPS[kind]).model_dump())}"
        for kind, work in _works(resolved).items()
    }


_STEPS = {
    "teacher": "explore",
    "student": "explore",
    "teach": "predict",
    "label": "label",
    "finetune": "train",
    "fit": "train",
}
"""Kind of work -> the section of ``resources`` that it is done with."""


def _where(resources: Mapping[str, Any]) -> str:
    """What a task runs on."""
    gpus = f", {counted(resources['gpus'], 'GPU')}" if resources["gpus"] else ""
    return f"{counted(resources['cores'], 'core')}{gpus}, device {resources['device']}"


def _works(resolved: ResolvedInput) -> dict[str, str]:
    """Kind of work -> the work, wherever it is done."""
    teacher = f"{resolved.input.teacher.family} {Path(resolved.input.teacher.model).name}"
    keys = {"teacher": f"MD with {teacher}", "teach": f"label by {teacher}"}
    if resolved.labeler is not None:
        keys["label"] = f"label by {_level(resolved)}"
        keys["finetune"] = f"fine-tuning of {teacher}"
    if resolved.student is not None and resolved.fitting is not None:
        settings = json_digest(resolved.fitting.model_dump(mode="json"))[:8]
        keys["student"] = f"MD with a student of {resolved.student.name} {settings}"
        keys["fit"] = f"fit of a student of {resolved.student.name} {settings}"
    return keys


def _level(resolved: ResolvedInput) -> str:
    """The labels' level of theory; the method where that needs a model or files."""
    assert resolved.labeler is not None
    try:
        return make_labeler(resolved.labeler.model_dump(mode="json")).level_of_theory()
    except PFDError:
        return resolved.labeler.method


def rates_of_run(resolved: ResolvedInput, tasks: Iterable[TaskFolder], here_only: bool = False) -> Totals:
    """What the finished tasks of a run have cost.

    Args:
        resolved: its input.
        tasks: those that count.
        here_only: leave out what ran on other hosts, or as jobs of a cluster.
    """
    works = _works(resolved)
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for folder in tasks:
        result = folder.result()
        if result is None or result.status != "done" or not folder.readable():
            continue
        if here_only and (result.host != socket.gethostname() or folder.task()["resources"].get("job") is not None):
            continue
        kind, units = _work(resolved, folder)
        if kind in works and units > 0:
            each = totals[f"{works[kind]} on {_where(folder.task()['resources'])}"]
            each[0], each[1], each[2] = each[0] + units, each[1] + result.seconds, each[2] + 1
    return {key: (units, seconds, int(count)) for key, (units, seconds, count) in totals.items()}


def atoms_evaluated(settings: Settings | None, atoms: Sequence[int]) -> float:
    """Atoms that a training evaluates in all: of each frame once, or as often as the settings say.

    Args:
        settings: of the training.
        atoms: of each training frame.
    """
    if isinstance(settings, FineTuneSettings):
        return settings.length(atoms) * settings.batch_size * sum(atoms) / max(1, len(atoms))
    return sum(atoms) * float(getattr(settings, "epochs", None) or 1)


def evaluated_times(settings: Settings | None, times: int) -> int:
    """How often a training evaluates a frame that counts so many times: a linear fit weights it, others repeat it."""
    return min(times, 1) if isinstance(settings, LinearFitSettings) else times


def _work(resolved: ResolvedInput, folder: TaskFolder) -> tuple[str, float]:
    """The kind of a task's work, and how many units of it were done."""
    task = folder.task()
    loop = folder.place[0]
    if task["step"] == "explore":
        run = folder.path.resolve().parents[3]
        student = folder.input("model").path.is_relative_to(run / "distill")
        atoms = _atoms(folder.path / "outputs" / "trajectory.extxyz")
        return ("student" if student else "teacher"), atoms * float(content_of(folder, "report.json")["steps"])
    if task["step"] == "label" and loop == "finetune":
        return "label", _atoms(folder.input("frame").path) ** LABEL_POWER
    if task["step"] == "label" and loop == "distill":
        return "teach", _atoms(folder.input("frame").path)
    kind = {"finetune": "finetune", "distill": "fit"}.get(loop)
    if task["step"] == "train" and kind is not None:
        usual = resolved.tuning if kind == "finetune" else resolved.fitting
        settings = _settings_of(usual, task["parameters"]["settings"])
        sizes = _all_atoms(folder.input("train").path)
        if "labels" in task["inputs"]:
            times = evaluated_times(settings, task["parameters"]["label_times"])
            sizes += times * _all_atoms(folder.input("labels").path)
        return (kind, atoms_evaluated(settings, sizes)) if settings else ("", 0.0)
    return "", 0.0


def _settings_of(usual: Settings | None, content: Mapping[str, Any]) -> Settings | None:
    """The settings of a training, if they are of the input's kind; an earlier input may have named another family."""
    try:
        return None if usual is None else type(usual).model_validate({k: v for k, v in content.items() if v != ""})
    except ValidationError:
        return None


def _atoms(path: Path) -> float:
    """Atoms of the first frame of an extended XYZ file; 0 if there is none."""
    try:
        with path.open(encoding="utf-8") as stream:
            return float(stream.readline() or 0)
    except OSError:
        return 0.0


def _all_atoms(path: Path) -> list[int]:
    """Atoms of each of its frames."""
    found = []
    try:
        with path.open(encoding="utf-8") as stream:
            while line := stream.readline():
                found.append(int(line))
                for _ in range(int(line) + 1):
                    stream.readline()
    except OSError:
        return []
    return found


def store_file() -> Path:
    """Where rates that were measured on this host are kept: in PFD_CACHE, else ~/.cache/pfd-kit."""
    return Path(os.environ.get("PFD_CACHE") or Path.home() / ".cache" / "pfd-kit") / "rates.json"


def remember(totals: Mapping[str, tuple[float, float, int]], what: str) -> None:
    """Keep rates for later plans; where the file cannot be written, there are none to keep.

    Args:
        totals: what was measured.
        what: how, such as ``in the run silicon``.
    """
    if not totals:
        return
    path, host = store_file(), socket.gethostname()
    content = _stored(path)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    for key, (units, seconds, _) in totals.items():
        own = content.get(host)
        content[host] = (own if isinstance(own, dict) else {}) | {key: asdict(Rate(seconds / units, f"{what}, {day}"))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    except OSError:
        return


def known_rates(resolved: ResolvedInput, totals: Mapping[str, tuple[float, float, int]]) -> dict[str, Rate]:
    """Kind of work -> its rate, as far as it is known: of this run, else of what was kept on this host.

    Args:
        resolved: the input.
        totals: of its run folder.
    """
    stored = _stored(store_file()).get(socket.gethostname())
    stored = stored if isinstance(stored, dict) else {}
    found = {}
    for kind, key in keys_of(resolved).items():
        if key in totals:
            units, seconds, count = totals[key]
            found[kind] = Rate(seconds / units, f"in {counted(count, 'task')} of this run")
        elif isinstance(entry := stored.get(key), dict) and {"seconds", "source"} <= set(entry):
            found[kind] = Rate(float(entry["seconds"]), str(entry["source"]))
    return found


def _stored(path: Path) -> dict[str, Any]:
    content = read_json(path)
    return content if isinstance(content, dict) else {}
