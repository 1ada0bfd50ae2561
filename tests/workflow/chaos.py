"""Kill parts of a run at random moments, again and again, and see that nothing finished is touched."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.workflow.kill_harness import at_work, finish, start_driver

from pfd.workflow.run_folder import task_folders

KINDS = ("driver", "task", "all")
"""What is killed: the driver alone, one process that works on a task, or all processes of the run at once."""
POLL_SECONDS = 0.03
LONGEST_WAIT_SECONDS = 240.0


@dataclass
class Chaos:
    """One run that is killed at random moments until so many kills are spent, or it has ended.

    Attributes:
        input_file, run: what is submitted, and where.
        tasks: how many it has in the end: the kills are spread over them.
        chance: where all that is random comes from.
        kills: what was killed, in order: kind, and how many tasks were finished.
        finished: path of each result seen so far -> inode and time of writing, ns; such a file never changes again.
    """

    input_file: Path
    run: Path
    tasks: int
    chance: random.Random
    kills: list[tuple[str, int]] = field(default_factory=list)
    finished: dict[str, tuple[int, int]] = field(default_factory=dict)

    def go(self, kills: int, kinds: tuple[str, ...] = KINDS) -> int:
        """Disturb the run so many times, of all kinds in turn, then let it end; returns the exit code."""
        driver = start_driver(self.input_file, self.run)
        todo = [kinds[number % len(kinds)] for number in range(kills)]
        self.chance.shuffle(todo)
        points = sorted(self.chance.choices(range(self.tasks - 2), k=kills))
        try:
            for kind, point in zip(todo, points, strict=True):
                if not self._wait(driver, point):
                    break
                if self._kill(kind, driver):
                    self.look()
                if driver.poll() is not None:
                    time.sleep(self.chance.choice((0.0, self.chance.uniform(0.0, 1.0))))
                    driver = start_driver(self.input_file, self.run)
            _, text = driver.communicate(timeout=LONGEST_WAIT_SECONDS)
            assert b"Traceback" not in text, text.decode()
            assert driver.returncode == 0, text.decode()
        finally:
            _end(driver)
        self.look()
        return finish(self.input_file, self.run)  # nothing is left to do, and nothing is done

    def look(self) -> None:
        """See that no finished result has changed since the last look."""
        now = _finished(self.run)
        changed = [path for path, seen in self.finished.items() if now.get(path) != seen]
        assert not changed, f"finished work was redone: {changed}"
        self.finished = now

    def _wait(self, driver: subprocess.Popen, tasks: int) -> bool:
        """Until so many tasks are done and a random moment has passed; False if the driver has ended meanwhile."""
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        while _results(self.run) < tasks and driver.poll() is None and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        moment = time.monotonic() + self.chance.uniform(0.0, 2.0)
        while time.monotonic() < moment and driver.poll() is None:
            time.sleep(POLL_SECONDS)
        return driver.poll() is None

    def _kill(self, kind: str, driver: subprocess.Popen) -> bool:
        """SIGKILL; of a task's process, its whole group. False if no task was at work."""
        tasks = [pid for pid in at_work(self.run) if pid != driver.pid]
        if kind == "task":
            until = time.monotonic() + 10.0
            while not tasks and time.monotonic() < until and driver.poll() is None:
                time.sleep(POLL_SECONDS)
                tasks = [pid for pid in at_work(self.run) if pid != driver.pid]
            if not tasks:
                return False
            tasks = [self.chance.choice(sorted(tasks))]
        if kind in {"driver", "all"}:
            driver.send_signal(signal.SIGKILL)
        for pid in tasks if kind in {"task", "all"} else ():
            _kill_group(pid)
        if kind in {"driver", "all"}:
            driver.communicate()
        self.kills.append((kind, len(_finished(self.run))))
        return True


def _results(run: Path) -> int:
    return sum(1 for _ in run.glob("*/*/*/*/result.json"))


def _finished(run: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for folder in task_folders(run) if run.is_dir() else ():
        if folder.done():
            stat = (folder.path / "result.json").stat()
            found[str(folder.path.relative_to(run))] = (stat.st_ino, stat.st_mtime_ns)
    return found


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _end(driver: subprocess.Popen) -> None:
    if driver.poll() is None:
        driver.kill()
        driver.communicate()
