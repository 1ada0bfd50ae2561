"""Run the driver in a process of its own, and compare what two runs left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from pfd.digests import file_digest
from pfd.json_file import read_json
from pfd.tasks.folder import TaskFolder
from pfd.tasks.process import Claim, ProcessName
from pfd.workflow.run_folder import task_folders


def start_driver(input_file: Path, run: Path) -> subprocess.Popen:
    """``pfd submit`` in a session of its own."""
    command = [sys.executable, "-m", "pfd.cli.main", "submit", str(input_file), str(run)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def wait_for_tasks(run: Path, driver: subprocess.Popen, count: int, timeout: float = 120.0) -> None:
    """Until so many task folders exist, or the driver has ended."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and driver.poll() is None:
        if run.is_dir() and sum(1 for _ in task_folders(run)) >= count:
            return
        time.sleep(0.005)


def finish(input_file: Path, run: Path) -> int:
    """Submit (again) and wait; returns the exit code."""
    driver = start_driver(input_file, run)
    _, text = driver.communicate(timeout=300)
    assert b"Traceback" not in text, text.decode()
    return driver.returncode


def finished_results(run: Path) -> dict[str, int]:
    """Path of each finished task -> when its result was written, ns."""
    return {
        str(folder.path.relative_to(run)): (folder.path / "result.json").stat().st_mtime_ns
        for folder in task_folders(run)
        if folder.done()
    }


def outcome(run: Path) -> dict[str, object]:
    """All that must not depend on what was killed when: digests of data, models and outputs, summary, report's data."""
    digests = {
        str(path.relative_to(run)): file_digest(path)
        for part in ("data", "models")
        for path in sorted((run / part).rglob("*"))
        if path.is_file()
    }
    for folder in task_folders(run):
        digests[str(folder.path.relative_to(run))] = file_digest(folder.path / "outputs")
    told = {name: json.loads((run / name).read_text(encoding="utf-8")) for name in ("summary.json", "report-data.json")}
    for content in told.values():
        del content["seconds"]
        for cost in content.get("costs", {}).values():
            del cost["seconds"], cost["core_seconds"]
    return {"digests": digests, **told}


def claims_of(folder: TaskFolder) -> dict[int, Claim]:
    """Attempt -> its claim."""
    return {
        int(attempt.name): Claim.model_validate_json((attempt / "claim.json").read_text(encoding="utf-8"))
        for attempt in folder.attempts()
    }


def at_work(run: Path) -> dict[int, ProcessName]:
    """The living processes that work on tasks of a run, by process id, whichever driver started them."""
    holders = [folder.claimed_by() for folder in task_folders(run) if not folder.done()] if run.is_dir() else []
    return {holder.pid: holder for holder in holders if holder is not None}


def check_runs_once(run: Path) -> None:
    """The claims tell that each task ran to completion once: its last attempt but for such as found it done already.

    Whoever claimed a task later must have begun later; no process is left over.
    """
    for folder in task_folders(run):
        result, claims = folder.result(), claims_of(folder)
        assert result is not None, folder
        assert result.status == "done", folder
        notes = {number: read_json(folder.path / "attempts" / f"{number:02d}" / "ended.json") for number in claims}
        late = [number for number in claims if number > result.attempt]
        assert all(notes[number]["message"] == "already done" for number in late), f"{folder}: done, and begun again"
        assert notes[result.attempt] is None, f"{folder}: {notes[result.attempt]}"
        assert (folder.path / "attempts" / f"{result.attempt:02d}").is_dir()
        staged = [attempt for attempt in folder.attempts() if (attempt / "outputs").exists()]
        assert f"{result.attempt:02d}" not in [attempt.name for attempt in staged]
        begun = [claims[number].monotonic_s for number in sorted(claims)]
        assert begun == sorted(begun), f"{folder}: claims overlap"
        assert not [claim for claim in claims.values() if claim.pid != os.getpid() and claim.process().alive()]
