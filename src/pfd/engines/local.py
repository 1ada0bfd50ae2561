"""The local engine: processes on this machine, capped by cores and memory, adopted again after a crash."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pfd.engines.engine import Observer, Progress
from pfd.engines.memory_watch import memory_problem
from pfd.engines.pool import pool_of_environment
from pfd.environments.launch import HERE, Launch
from pfd.errors import TaskFailed
from pfd.json_file import read_json
from pfd.tasks.folder import Resources, TaskFolder
from pfd.tasks.process import WORKER_VARIABLE, ProcessName
from pfd.tasks.runner import NO_RESULT

POLL_SECONDS = 0.02
OBSERVE_SECONDS = 0.3
GRACE_SECONDS = 5.0


@dataclass
class Worker:
    """One process that runs some folders one after the other."""

    process: subprocess.Popen[bytes]
    folders: list[TaskFolder]
    resources: Resources
    attempts: int
    """Attempts that these folders held before."""
    name: str
    """What its claims say of it: in a container its process id is not that of what we started."""


@dataclass
class Group:
    """The state of one call of ``run``."""

    queue: list[list[TaskFolder]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    adopted: dict[str, tuple[TaskFolder, ProcessName]] = field(default_factory=dict)
    """Folders that a process of an earlier driver works on, by path."""
    strangers: list[tuple[ProcessName, Resources]] = field(default_factory=list)
    """Those processes: each holds its cores and memory until it ends, whichever of its folders it is at."""
    given_up: dict[str, str] = field(default_factory=dict)
    fatal: list[TaskFolder] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    barren: int = 0
    """Processes in a row that were killed before they had begun a task."""
    told_to_stop: set[int] = field(default_factory=set)
    """Processes that were asked to begin no further task."""
    looked: float = 0.0

    def adopt(self, folder: TaskFolder, holder: ProcessName) -> None:
        """Wait for a folder that a process we did not start works on."""
        self.adopted[str(folder.path)] = (folder, holder)
        if holder not in [process for process, _ in self.strangers]:
            self.strangers.append((holder, _resources(folder)))


class LocalEngine:
    """Runs tasks as processes in process groups of their own.

    Args:
        cores: most cores in use at once (default: all that this process may use).
        memory_GB: most memory that the running tasks may have asked for; each is held to its own
            (see ``memory_watch``).
        max_attempts: how often one task may end for transient reasons.
        launch: how tasks of a family are started; by this interpreter if not given.
    """

    def __init__(
        self,
        cores: int | None = None,
        memory_GB: float | None = None,
        max_attempts: int = 3,
        launch: Callable[[str], Launch] = lambda _: HERE,
    ) -> None:
        self.cores = cores or len(os.sched_getaffinity(0))
        self.memory_GB = memory_GB or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        self.max_attempts = max_attempts
        self._launch = launch
        self._pool = pool_of_environment()

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """See ``Engine.run``."""
        group = Group()
        pending = [folder for folder in folders if not folder.done()]
        for folder in pending:
            holder = folder.claimed_by()
            if holder is not None:
                group.adopt(folder, holder)
            else:
                folder.forget_failure()
        group.queue = self._batches([folder for folder in pending if str(folder.path) not in group.adopted])
        try:
            while group.workers or group.adopted or (group.queue and not group.fatal):
                if not group.fatal:
                    self._start(group)
                else:
                    _tell_to_stop(group)
                if time.monotonic() - group.looked > OBSERVE_SECONDS:
                    _enforce_limits(group)
                    observe(_progress(folders, group))
                    group.looked = time.monotonic()
                time.sleep(POLL_SECONDS)
                self._reap(group)
        except BaseException:
            self._stop(group)
            raise
        finally:
            self._pool.withdraw()
        observe(_progress(folders, group))
        if group.fatal:
            raise _failure(group.fatal[0])
        return group.given_up

    def _slots(self, resources: Resources) -> int:
        cores = self.cores // min(resources.cores, self.cores)
        return max(1, min(cores, int(self.memory_GB // resources.memory_GB)))

    def _batches(self, folders: list[TaskFolder]) -> list[list[TaskFolder]]:
        """As many batches as slots: imports are paid once per process, results are still one per folder."""
        batches = []
        by_launch: dict[Launch, list[TaskFolder]] = {}
        for folder in folders:
            by_launch.setdefault(self._launch(_resources(folder).family), []).append(folder)
        for same in by_launch.values():
            count = min(len(same), self._slots(_resources(same[0])))
            batches += [same[number::count] for number in range(count)]
        return batches

    def _start(self, group: Group) -> None:
        while group.queue:
            resources = _resources(group.queue[0][0])
            running = [worker.resources for worker in group.workers]
            running += [resources for _, resources in group.strangers]
            cores = sum(min(each.cores, self.cores) for each in running) + min(resources.cores, self.cores)
            memory = sum(each.memory_GB for each in running) + resources.memory_GB
            if running and (cores > self.cores or memory > self.memory_GB):
                self._pool.withdraw()
                return
            slots = self._pool.acquire(min(resources.cores, self.cores), resources.memory_GB)
            if slots is None:
                return
            batch = _open_folders(group, group.queue.pop(0))
            if not batch:
                slots.close()
                continue
            threads = str(min(resources.cores, self.cores))
            launch, name = self._launch(resources.family), uuid.uuid4().hex
            variables = {**dict.fromkeys(_THREAD_VARIABLES, threads), "PYTHONHASHSEED": "0", WORKER_VARIABLE: name}
            with slots, _startup(batch[0]).open("wb") as stream:
                process = subprocess.Popen(
                    launch.command("-P", "-m", "pfd.tasks", *(str(folder.path) for folder in batch), **variables),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stream,
                    start_new_session=True,
                    pass_fds=slots.descriptors,
                    env=launch.environ(**variables),
                )
            group.workers.append(Worker(process, batch, resources, _count_attempts(batch), name))

    def _reap(self, group: Group) -> None:
        for worker in list(group.workers):
            code = worker.process.poll()
            if code is not None:
                group.workers.remove(worker)
                self._settle(group, worker, code)
        group.strangers = [(holder, resources) for holder, resources in group.strangers if holder.alive()]
        for key, (folder, holder) in list(group.adopted.items()):
            if folder.done():
                del group.adopted[key]
            elif folder.claimed_by() != holder:
                del group.adopted[key]
                self._again(group, [folder])

    def _settle(self, group: Group, worker: Worker, code: int) -> None:
        """Sort the folders of a process that has ended: done, failed, to be tried again."""
        unfinished = [folder for folder in worker.folders if not folder.done()]
        for folder in unfinished:
            attempts = folder.attempts()
            if folder.claimed_by() is not None:  # what stood before it has ended, it has not: it is waited for
                continue
            if attempts and not (attempts[-1] / "ended.json").is_file():
                claim = read_json(attempts[-1] / "claim.json") or {}
                if claim.get("worker") == worker.name:
                    reason = f"killed by signal {-code}" if code < 0 else f"process ended with code {code}"
                    folder.end_attempt(attempts[-1], reason, counted=True)
        if code in {0, NO_RESULT} or _count_attempts(worker.folders) > worker.attempts:
            group.barren = 0
        elif unfinished:
            group.barren += 1
            if code > 0 or group.barren >= self.max_attempts:  # it could not even begin: trying again cannot help
                group.fatal.append(unfinished[0])
                return
        startup = _startup(worker.folders[0])
        if startup.is_file() and not startup.stat().st_size:
            startup.unlink()
        self._again(group, unfinished)

    def _again(self, group: Group, folders: list[TaskFolder]) -> None:
        retry = []
        for folder in folders:
            result = folder.result()
            ended = folder.counted_attempts()
            holder = folder.claimed_by()
            if holder is not None:
                group.adopt(folder, holder)
            elif result is not None and result.status == "failed":
                group.fatal.append(folder)
            elif len(ended) >= self.max_attempts:
                group.given_up[str(folder.path)] = f"{len(ended)} attempts, the last: {ended[-1]}"
            else:
                retry.append(folder)
        group.queue += self._batches(retry)

    def _stop(self, group: Group) -> None:
        """Ask what runs to end, wait a little, end it; nothing of it counts as a failure."""
        strangers = [holder for holder, _ in group.strangers]
        strangers += [
            holder
            for worker in group.workers
            for holder in (folder.claimed_by() for folder in worker.folders)
            if holder is not None and holder.pid != worker.process.pid
        ]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for worker in group.workers:
                _signal_group(worker.process.pid, number)
            for holder in strangers:
                if holder.alive():
                    _signal_group_of(holder.pid, number)
            deadline = time.monotonic() + GRACE_SECONDS
            while time.monotonic() < deadline and (
                any(worker.process.poll() is None for worker in group.workers)
                or any(holder.alive() for holder in strangers)
            ):
                time.sleep(POLL_SECONDS)
        for worker in group.workers:
            worker.process.wait()


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def _resources(folder: TaskFolder) -> Resources:
    return Resources.model_validate(folder.task()["resources"])


def _startup(folder: TaskFolder) -> Path:
    """Where a process that begins with this folder writes what it says outside its tasks."""
    return folder.path / "startup.txt"


def _count_attempts(folders: Sequence[TaskFolder]) -> int:
    return sum(len(folder.attempts()) for folder in folders)


def _tell_to_stop(group: Group) -> None:
    """Ask the running processes to begin no further task of theirs."""
    working = {holder.pid for holder, _ in group.strangers if holder.alive()}
    for worker in group.workers:  # who holds a claim, not what stands before it: a container's command would end by it
        working |= {holder.pid for holder in (folder.claimed_by() for folder in worker.folders) if holder is not None}
    for pid in working - group.told_to_stop:
        _signal(pid, signal.SIGUSR1)
    group.told_to_stop |= working


def _open_folders(group: Group, batch: list[TaskFolder]) -> list[TaskFolder]:
    """Those of a batch that are still to be done; an adopted process may have come to some while they waited."""
    still = []
    for folder in batch:
        holder = folder.claimed_by()
        if holder is not None:
            group.adopt(folder, holder)
        elif not folder.done():
            still.append(folder)
    return still


def _enforce_limits(group: Group) -> None:
    """Kill the process groups whose task is out of time or holds too much memory, adopted ones too."""
    running = [
        (worker.process.pid, worker.name, folder, worker.resources)
        for worker in group.workers
        for folder in worker.folders
    ]
    running += [(holder.pid, holder.worker, folder, _resources(folder)) for folder, holder in group.adopted.values()]
    for pid, name, folder, resources in running:
        attempts = folder.attempts() if not folder.done() else []
        if not attempts or (attempts[-1] / "ended.json").is_file():
            continue
        claim = read_json(attempts[-1] / "claim.json") or {}
        if claim.get("worker") != name:
            continue
        problem = _time_problem(attempts[-1], resources) or memory_problem(pid, resources, folder.task()["step"])
        if problem:
            holder = folder.claimed_by()
            folder.end_attempt(attempts[-1], problem, counted=True)
            _signal_group_of(pid, signal.SIGKILL)
            if holder is not None and holder.pid != pid:
                _signal_group_of(holder.pid, signal.SIGKILL)


def _time_problem(attempt: Path, resources: Resources) -> str | None:
    elapsed = time.time() - (attempt / "claim.json").stat().st_mtime
    limit = resources.walltime_s
    return f"out of time after {elapsed:.0f} s" if limit is not None and elapsed > limit else None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _signal_group(leader: int, number: signal.Signals) -> None:
    """Signal the group of a process that we started as its leader, also after the leader itself has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _signal_group_of(pid: int, number: signal.Signals) -> None:
    """Signal a process that we did not start and all of its group, which it need not lead."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, number)


def _progress(folders: Sequence[TaskFolder], group: Group) -> Progress:
    open_folders = [folder for folder in folders if str(folder.path) not in group.done]
    group.done.update(str(folder.path) for folder in open_folders if folder.done())
    started = [folder for folder in open_folders if str(folder.path) not in group.done and folder.attempts()]
    fraction, text = float(len(group.done)), ""
    for folder in started:
        note = read_json(folder.attempts()[-1] / "progress.json")
        if note is not None:
            fraction, text = fraction + min(note["fraction"], 1.0), note["text"]
    failed = len(group.given_up) + len(group.fatal)
    running = max(0, len(started) - failed)
    return Progress(len(folders), len(group.done), running, failed, fraction / max(1, len(folders)), text)


def _failure(folder: TaskFolder) -> TaskFailed:
    result = folder.result()
    if result is not None and result.failure is not None:
        return TaskFailed(result.failure.message, where=f"task {folder.name}", exit_code=result.failure.exit_code)
    startup = _startup(folder)
    text = startup.read_text(encoding="utf-8", errors="replace").strip() if startup.is_file() else ""
    last = text.splitlines()[-1] if text else "the process ended before it began the task"
    return TaskFailed(last, where=f"task {folder.name}", hint=f"read {startup}")
