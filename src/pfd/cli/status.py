"""``pfd status``: the state of a run, from its journal and its task folders alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from pfd.api import open_run
from pfd.workflow.journal import Journal
from pfd.workflow.run_folder import driver_of, task_folders


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
    console.print(f"{content['name']}: {content['status']}" + (f" ({content['error']})" if content["error"] else ""))
    for entry in content["decisions"]:
        console.print(f"  {entry['loop']} iteration {entry['iteration']}: {entry['action']} ({entry['reason']})")
    counts = content["tasks"]
    console.print(f"  tasks: {counts['done']} done, {counts['running']} running, {counts['failed']} failed, "
                  f"{counts['waiting']} waiting; now at {content['place']}")  # fmt: skip
    for failure in content["failures"]:
        console.print(f"  failed: {failure['task']}: {failure['message']}", markup=False)


def status_of(path: Path) -> dict[str, Any]:
    """The status as plain data."""
    run = open_run(path)
    events = Journal(run.path / "journal.jsonl").read()
    counts = {"done": 0, "running": 0, "failed": 0, "waiting": 0}
    failures = []
    for folder in task_folders(run.path):
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
    driver = driver_of(run.path)
    status, error = _state(events, driver is not None)
    return {
        "name": json.loads((run.path / "run.json").read_text(encoding="utf-8"))["name"],
        "path": str(run.path),
        "status": status,
        "error": error,
        "driver": driver.model_dump() if driver is not None else None,
        "place": next((event["place"] for event in reversed(events) if event["event"] == "tasks"), ""),
        "tasks": counts,
        "failures": failures,
        "decisions": [event for event in _last_submission(events) if event["event"] == "decision"],
    }


def _state(events: list[dict[str, Any]], driven: bool) -> tuple[str, str]:
    last = events[-1] if events else {"event": ""}
    if last["event"] == "end":
        return last["status"], last.get("error", "")
    if driven:
        return "running", ""
    if last["event"] == "paused":
        return "paused", f"after {last['after']}"
    return "interrupted", "submit the same input again to go on"


def _last_submission(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    starts = [index for index, event in enumerate(events) if event["event"] == "submit"]
    return events[starts[-1] :] if starts else events
