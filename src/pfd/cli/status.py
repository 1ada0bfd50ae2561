"""``pfd status``: the state of a run, from its journal, its report data and its task folders alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pfd.api import Run, open_run
from pfd.cli.selected import Chosen, chosen_frames, say_chosen
from pfd.report.data import read_report_data
from pfd.report.limits import limits_in_words
from pfd.report.rejections import kinds_of
from pfd.report.words import ACTIONS, duration
from pfd.tasks.folder import TaskFolder
from pfd.wording import counted
from pfd.workflow.journal import Journal, union_seconds
from pfd.workflow.run_folder import driver_of, task_folders

Event = dict[str, Any]
ENDED = {"converged", "not_converged"}
"""What a run is called that has gone all the way."""
MODELS = {"finetune": "finetuned", "distill": "student"}
"""The folder in ``models`` that a loop's result is copied to when it has ended."""
CLOCKS_DIFFER_S = 0.1
"""A file that is older than the submission by less may have been written after it: file systems have coarse clocks."""


def show_status(path: Path, as_json: bool) -> None:
    """Print the status.

    Raises:
        RunError: if the folder holds no run.
    """
    content = status_of(path)
    if as_json:
        print(json.dumps(content, indent=1))
        return
    console = Console(soft_wrap=True, highlight=False)
    for line in status_lines(content):
        console.print(line, markup=False)


def status_lines(content: dict[str, Any]) -> list[str]:
    """The status for a person."""
    head = f"{content['name']}: {content['status']}"
    lines = [f"{head} ({content['error']})" if content["error"] else head]
    lines += [f"  {line}" for line in decision_lines(content["decisions"])]
    lines += [f"  preflight: {words}" for words in content["preflight"]]
    if content["status"] == "running":
        done = f" ({content['place_done']} of {content['place_total']} done)" if content["place_total"] else ""
        lines.append(f"  now at {_place_in_words(content['place'])}{done}" if content["place"] else "  starting")
    if content["labels"]:
        rejected = f", {content['labels']['rejected']} of them rejected" if content["labels"]["rejected"] else ""
        so_far = "" if content["status"] in ENDED else " so far"
        flagged = f", {content['labels']['flagged']} accepted and flagged" if content["labels"]["flagged"] else ""
        lines.append(f"  {counted(content['labels']['made'], 'label')}{so_far}{rejected}{flagged}")
    lines += [f"    {count} rejected: {kind}" for kind, count in content["rejected"]["reasons"]]
    lines += [f"    rejected frames: {path}" for path in content["rejected"]["files"]]
    lines += [f"  {name}: {model}" for name, model in content["models"].items()]
    lines += [
        f"  {line}" for line in say_chosen([Chosen(each[0], each[1], Path(each[2])) for each in content["chosen"]])
    ]
    counts = content["tasks"]
    told = [f"{counts[key]} {key}" for key in counts if counts[key] or key == "done"]
    lines.append(f"  tasks: {', '.join(told)}; {duration(content['seconds'])} elapsed")
    lines += [f"  failed: {failure['task']}: {failure['message']}" for failure in content["failures"]]
    return lines


def decision_lines(decisions: Sequence[Event]) -> list[str]:
    """Each decision with its reason, and below it by how much the limits were met or missed."""
    lines = []
    for entry in decisions:
        action = ACTIONS.get(entry["action"], entry["action"])
        lines.append(f"{entry['loop']} iteration {entry['iteration']}: {action} ({entry['reason']})")
        lines += [f"  {entry['limits']}"] if entry["limits"] else []
    return lines


def status_of(path: Path) -> dict[str, Any]:
    """The status as plain data."""
    run = open_run(path)
    events = Journal(run.path / "journal.jsonl").read()
    driver = driver_of(run.path)
    status, error = _state(events, driver is not None)
    tasks = used_tasks(run.path, events)
    counts, failures = _counts(tasks)
    decisions = decisions_of(run.path, events)
    at = next((event for event in reversed(_last_submission(events)) if event["event"] == "tasks"), {})
    here = [folder for folder in tasks if "/".join(folder.place) == at.get("place")]
    paused_after = events[-1]["after"] if status == "paused" else ""
    return {
        "name": json.loads((run.path / "run.json").read_text(encoding="utf-8"))["name"],
        "path": str(run.path),
        "status": status,
        "error": error,
        "driver": driver.model_dump() if driver is not None else None,
        "place": at.get("place", ""),
        "place_done": sum(folder.done() for folder in here),
        "place_total": len(here),
        "tasks": counts,
        "failures": failures,
        "decisions": decisions,
        "preflight": [event["words"] for event in _last_submission(events) if event["event"] == "preflight"],
        "labels": _labels(run, tasks, status),
        "rejected": _rejected(run.path, tasks),
        "models": {name: str(model) for name, model in _models(run.path, tasks, decisions).items()},
        "chosen": [
            (each.purpose, each.frames, str(each.file))
            for each in (chosen_frames(run.path, tasks) if paused_after == "select" else [])
        ],
        "seconds": round(_seconds(run.path, tasks, status), 3),
    }


def used_tasks(run: Path, events: Sequence[Event]) -> list[TaskFolder]:
    """The task folders of the latest submission, as far as can be told.

    When it has ended, the journal lists those that it did not use. Before, its open tasks are known by their task.json,
    which every submission writes anew; of the finished ones, all count.
    """
    superseded = set(events[-1].get("superseded", ())) if events else set()
    began = min((event["time"] for event in _last_submission(events)), default=0.0)  # the clock may have been set back
    return [
        folder
        for folder in task_folders(run)
        if folder.in_run not in superseded and (folder.done() or _written(folder) > began - CLOCKS_DIFFER_S)
    ]


def decisions_of(run: Path, events: Sequence[Event]) -> list[Event]:
    """The decisions of the latest submission, each with its ``limits`` in words."""
    data = read_report_data(run)
    words = {(turn.loop, turn.iteration): limits_in_words(turn, data) for turn in data.iterations}
    return [
        event | {"limits": words.get((event["loop"], event["iteration"]), "")}
        for event in _last_submission(events)
        if event["event"] == "decision"
    ]


def _counts(tasks: Iterable[TaskFolder]) -> tuple[dict[str, int], list[dict[str, str]]]:
    counts = {"done": 0, "running": 0, "failed": 0, "waiting": 0}
    failures = []
    for folder in tasks:
        result = folder.result()
        if result is not None and result.status == "done":
            counts["done"] += 1
        elif folder.claimed_by() is not None:
            counts["running"] += 1
        elif result is not None and result.failure is not None:
            counts["failed"] += 1
            failures.append({"task": folder.name, "message": result.failure.message})
        else:
            counts["waiting"] += 1
    return counts, failures


def _labels(run: Run, tasks: Iterable[TaskFolder], status: str) -> dict[str, int]:
    """Labels by first principles so far; nothing if the run asks for none."""
    counts = run.summary.get("labels", {})
    made = counts.get("accepted", 0) + counts.get("rejected", 0)
    if status in {"running", "interrupted"}:  # the summary is of the last iteration that ended
        places = [folder.place for folder in tasks if folder.done()]
        made = max(
            made, sum(loop == "finetune" and part != "preflight" and step == "label" for loop, part, step in places)
        )
    return {"made": made} | {key: counts.get(key, 0) for key in ("rejected", "flagged")} if made else {}


def _rejected(run: Path, tasks: Iterable[TaskFolder]) -> dict[str, Any]:
    """Why labels were rejected, first lines only, with counts, and the files that hold their frames."""
    reasons = kinds_of(label.reason.partition("\n")[0] for label in read_report_data(run).rejected)
    files = [folder.path / "outputs" / "rejected.extxyz" for folder in tasks if folder.done()]
    return {"reasons": reasons, "files": [str(path) for path in files if path.is_file() and path.stat().st_size]}


def _models(run: Path, tasks: Sequence[TaskFolder], decisions: Sequence[Event]) -> dict[str, Path]:
    """What each loop has trained: its result if it has ended, else the newest model."""
    models = {}
    ended = {event["loop"] for event in decisions if event["action"] in {"converged", "give_up"}}
    for loop, name in MODELS.items():
        published = run / "models" / name
        trained = [folder for folder in tasks if (folder.place[0], folder.place[2]) == (loop, "train")]
        newest = max(((folder.result(), folder) for folder in trained if folder.done()), key=_started, default=None)
        if loop in ended and published.is_dir():
            models[name] = published
        elif newest is not None:
            models[f"{name}, not final"] = newest[1].path / "outputs" / "model"
    return models


def _started(pair: tuple[Any, TaskFolder]) -> float:
    return float(pair[0].started)


def _seconds(run: Path, tasks: Iterable[TaskFolder], status: str) -> float:
    """How long drivers have been at work, s: from submission to end, without the time between submissions."""
    results = [result for folder in tasks if (result := folder.result()) is not None and result.status == "done"]
    busy = [(result.started - result.import_seconds, result.started + result.seconds) for result in results]
    sessions = Journal(run / "journal.jsonl").sessions(busy)
    if status == "running" and sessions:
        sessions[-1] = (sessions[-1][0], time.time())
    return union_seconds(sessions)


def _written(folder: TaskFolder) -> float:
    try:
        return (folder.path / "task.json").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _place_in_words(place: str) -> str:
    """Such as ``finetune iteration 1, label`` for ``finetune/iter-001/label``."""
    loop, part, *step = place.split("/")
    words = f"iteration {int(part.removeprefix('iter-'))}" if part.startswith("iter-") else part.replace("-", " ")
    return f"{loop} {words}, {' '.join(step).replace('-', ' ')}"


def _state(events: Sequence[Event], driven: bool) -> tuple[str, str]:
    last = events[-1] if events else {"event": ""}
    if last["event"] == "end":
        return last["status"], last.get("error", "")
    if driven:
        return "running", ""
    if last["event"] == "paused":
        return "paused", last.get("message") or f"after {last['after']}"
    return "interrupted", "submit the same input again to go on"


def _last_submission(events: Sequence[Event]) -> Sequence[Event]:
    starts = [index for index, event in enumerate(events) if event["event"] == "submit"]
    return events[starts[-1] :] if starts else events
