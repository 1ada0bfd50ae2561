"""Run the driver in a process of its own, and compare what two runs left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from pfd.digests import file_digest
from pfd.tasks.process import ProcessName
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
    """All that must not depend on when the driver was killed: digests of data, models, outputs, and the summary."""
    digests = {
        str(path.relative_to(run)): file_digest(path)
        for part in ("data", "models")
        for path in sorted((run / part).rglob("*"))
        if path.is_file()
    }
    for folder in task_folders(run):
        digests[str(folder.path.relative_to(run))] = file_digest(folder.path / "outputs")
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    del summary["seconds"]
    return {"digests": digests, "summary": summary}


def check_runs_once(run: Path) -> None:
    """Every task has one attempt that made its result, and no process is left over."""
    for folder in task_folders(run):
        assert folder.done(), folder
        ended = [attempt for attempt in folder.attempts() if (attempt / "ended.json").is_file()]
        unfinished = [attempt for attempt in folder.attempts() if attempt not in ended]
        whole = [attempt for attempt in unfinished if not (attempt / "outputs").exists()]
        assert len(whole) == 1, f"{folder}: {len(whole)} attempts went to the end"
        for attempt in folder.attempts():
            claim = ProcessName.model_validate_json((attempt / "claim.json").read_text(encoding="utf-8"))
            assert claim.pid == os.getpid() or not claim.alive()
