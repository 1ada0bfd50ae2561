"""``pfd status``: the state of a run, from its journal, its report data and its task folders alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from pfd.api import Run, open_run
from pfd.cli.selected import Chosen, chosen_frames, say_chosen
from pfd.json_file import read_json
from pfd.report.data import read_report_data
from pfd.report.limits import limits_in_words
from pfd.report.rejections import kinds_of
from pfd.report.words import ACTIONS, duration, left_in_words, place_in_words
from pfd.tasks.folder import TaskFolder
from pfd.wording import counted
from pfd.workflow.driver_lock import Driver
from pfd.workflow.failures import failed_tasks
from pfd.workflow.journal import Event, Journal, last_submission, union_seconds
from pfd.workflow.look import Look, Onlooker, last_word, under_way, used_tasks

ENDED = {"converged", "not_converged"}
"""What a run is called that has gone all the way."""
MODELS = {"finetune": "finetuned", "distill": "student"}
"""The folder in ``models`` that a loop's result is copied to when it has ended."""


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
    status = content["status"]
    if status in ENDED and not content["decisions"]:  # labels of a file: nothing had to converge
        status = "some labels are missing" if status == "not_converged" else "done"
    head = f"{content['name']}: {status}"
    lines = [f"{head} ({content['error']})" if content["error"] else head]
    lines += [f"  {line}" for line in decision_lines(content["decisions"])]
    lines += [f"  preflight: {words}" for words in content["preflight"]]
    if content["status"] == "running":
        lines += [f"  {line}" for line in _now_lines(content)]
    elif content["place"]:
        lines.append(f"  stopped at {place_in_words(content['place'])}{_done_of(content)}")
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
    return lines + [f"  {line}" for line in failure_lines(content["failures"])]


def _now_lines(content: dict[str, Any]) -> list[str]:
    """Who works, on what, and for how long still."""
    driver = Driver.model_validate(content["driver"])
    there = "" if driver.process.here else " (another host: whether it lives cannot be seen from here)"
    lines = [f"driver: {driver.in_words()}{there}"]
    if not content["place"]:
        return [*lines, "starting" if not content["tasks"]["done"] else "between two steps"]
    lines.append(f"now at {place_in_words(content['place'])}{_done_of(content)}")
    if content["text"]:
        lines.append(f"  a running task says: {content['text']}")
    if left := left_in_words(content["place_left_s"], content["iteration_left_s"], content["loop_left_s"]):
        lines.append(f"  {left}")
    return lines


def _done_of(content: dict[str, Any]) -> str:
    return f" ({content['place_done']} of {content['place_total']} done)" if content["place_total"] else ""


def failure_lines(failures: Sequence[dict[str, Any]]) -> list[str]:
    """Each failed task with its reason, host, attempts, the end of its log, and the command that tries it again."""
    lines = []
    for failure in failures:
        attempts = counted(failure["attempts"], "attempt") + (f" on {failure['host']}" if failure["host"] else "")
        gone_on = "; the run went on without it" if failure["gone_on"] else ""
        lines.append(f"failed: {failure['task']}: {failure['reason']} ({attempts}{gone_on})")
        lines += [f"  | {line}" for line in failure["log_tail"].splitlines()]
        lines.append(f"  to do it anew: {failure['retry']}")
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
    look, events = Onlooker(path).look()
    status = look.status
    tasks = used_tasks(run.path, events)
    failures = [asdict(failure) for failure in failed_tasks(events, tasks, str(path))]
    decisions = decisions_of(run.path, events)
    paused_after = last_word(events)["after"] if status == "paused" else ""
    return {
        "name": (read_json(run.path / "run.json") or {})["name"],
        "path": str(run.path),
        "status": status,
        "error": look.error,
        "driver": look.driver.model_dump() if look.driver is not None else None,
        **_now(look),
        "tasks": _counts(tasks, {failure["task"] for failure in failures}, look.driver),
        "failures": failures,
        "decisions": decisions,
        "preflight": [event["words"] for event in last_submission(events) if event["event"] == "preflight"],
        "labels": _labels(run, tasks, status),
        "rejected": _rejected(run.path, tasks),
        "models": {name: str(model) for name, model in _models(run.path, tasks, decisions).items()},
        "chosen": [
            (each.purpose, each.frames, str(each.file))
            for each in (chosen_frames(run.path, tasks) if paused_after == "select" else [])
        ],
        "seconds": round(_seconds(run.path, tasks, status), 3),
    }


def decisions_of(run: Path, events: Sequence[Event]) -> list[Event]:
    """The decisions of the latest submission, each with its ``limits`` in words."""
    data = read_report_data(run)
    words = {(turn.loop, turn.iteration): limits_in_words(turn, data) for turn in data.iterations}
    return [
        event | {"limits": words.get((event["loop"], event["iteration"]), "")}
        for event in last_submission(events)
        if event["event"] == "decision"
    ]


def _now(look: Look) -> dict[str, Any]:
    """What is being done at this moment."""
    return {
        "place": look.place,
        "place_done": look.done,
        "place_running": look.running,
        "place_failed": look.failed,
        "place_total": look.total,
        "place_left_s": look.step_left_s,
        "iteration_left_s": look.iteration_left_s,
        "loop_left_s": look.loop_left_s,
        "text": look.text,
    }


def _counts(tasks: Iterable[TaskFolder], failed: set[str], driver: Driver | None) -> dict[str, int]:
    counts = {"done": 0, "running": 0, "failed": 0, "waiting": 0}
    for folder in tasks:
        if folder.done():
            counts["done"] += 1
        elif folder.in_run in failed:
            counts["failed"] += 1
        else:
            counts["running" if under_way(folder, driver is not None) else "waiting"] += 1
    return counts


APART = {"preflight", "properties"}
"""Parts of the fine-tuning loop whose labels are none of the campaign."""


def _labels(run: Run, tasks: Iterable[TaskFolder], status: str) -> dict[str, int]:
    """Labels by first principles so far; nothing if the run asks for none."""
    counts = run.summary.get("labels", {})
    made = counts.get("accepted", 0) + counts.get("rejected", 0)
    if status in {"running", "interrupted"}:  # the summary is of the last iteration that ended
        places = [folder.place for folder in tasks if folder.done()]
        made = max(
            made, sum(loop == "finetune" and part not in APART and step == "label" for loop, part, step in places)
        )
    return {"made": made} | {key: counts.get(key, 0) for key in ("rejected", "flagged")} if made else {}


def _rejected(run: Path, tasks: Iterable[TaskFolder]) -> dict[str, Any]:
    """Why labels were rejected, first lines only, with counts, and the files that hold their frames."""
    reasons = kinds_of(label.reason for label in read_report_data(run).rejected)
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
