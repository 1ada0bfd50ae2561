"""The local engine: processes on this machine, capped by cores, memory and GPUs, adopted again after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from pfd.engines.batches import Batch, batches_of
from pfd.engines.engine import Observer
from pfd.engines.group import Group, Worker, claim_worker
from pfd.engines.limits import enforce_limits
from pfd.engines.pool import Held, pool_of_environment
from pfd.engines.signals import signal_group_of, signal_led_group, signal_process
from pfd.engines.slots import Share, Slots
from pfd.engines.threads import thread_variables
from pfd.environments.launch import HERE, Launch
from pfd.errors import TaskFailed
from pfd.gpus import visible_gpus
from pfd.tasks.folder import Resources, TaskFolder
from pfd.tasks.process import GPUS_VARIABLE, WORKER_VARIABLE
from pfd.tasks.runner import NO_RESULT

POLL_SECONDS = 0.02
OBSERVE_SECONDS = 0.3
GRACE_SECONDS = 5.0


class LocalEngine:
    """Runs tasks as processes in process groups of their own.

    Args:
        cores: most cores in use at once (default: all that this process may use).
        memory_GB: most memory that the running tasks may have asked for; each is held to its own
            (see ``memory_watch``).
        max_attempts: how often one task may end for transient reasons.
        launch: how tasks of a family are started; by this interpreter if not given.
        gpus: how many of the GPUs that this process sees tasks may use (default: all).
    """

    def __init__(
        self,
        cores: int | None = None,
        memory_GB: float | None = None,
        max_attempts: int = 3,
        launch: Callable[[str], Launch] = lambda _: HERE,
        gpus: int | None = None,
    ) -> None:
        self.slots = Slots(
            cores or len(os.sched_getaffinity(0)),
            memory_GB or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9,
            visible_gpus()[:gpus],
            counted=gpus is not None,
        )
        self.max_attempts = max_attempts
        self._launch = launch
        self._pool = pool_of_environment()

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """See ``Engine.run``."""
        group, looked = Group(), 0.0
        group.note_done(folders)
        pending = [folder for folder in folders if not folder.done()]
        for folder in pending:
            holder = folder.claimed_by()
            if holder is not None:
                group.adopt(folder, holder)
            else:
                folder.forget_failure()
        self._enqueue(group, [folder for folder in pending if str(folder.path) not in group.adopted])
        try:
            while group.workers or group.adopted or (group.queue and not group.fatal):
                if not group.fatal:
                    self._start(group)
                else:
                    self._pool.withdraw()
                    _tell_to_stop(group)
                if time.monotonic() - looked > OBSERVE_SECONDS:
                    group.look()
                    enforce_limits(group)
                    observe(group.progress(len(folders)))
                    looked = time.monotonic()
                time.sleep(POLL_SECONDS)
                self._reap(group)
        except BaseException:
            self._stop(group)
            raise
        finally:
            self._pool.withdraw()
        group.note_done(folders)
        observe(group.progress(len(folders)))
        if group.fatal:
            raise _failure(group.fatal[0])
        return group.given_up

    def _enqueue(self, group: Group, folders: list[TaskFolder]) -> None:
        group.queue.add(batches_of(folders, self.slots, self._launch))

    def _start(self, group: Group) -> None:
        """Begin what fits, in the order of the queue."""
        while (turn := self._next(group)) is not None:
            batch, share, held = turn
            with held:
                batch.folders = _open_folders(group, batch.folders)
                if batch.folders:
                    group.workers.append(self._begin(batch, share, held.descriptors))

    def _next(self, group: Group) -> tuple[Batch, Share, Held] | None:
        """The next batch, with its share of this engine's slots and what it holds of the pool.

        What the pool refuses keeps this engine's turn there, and nothing of this engine overtakes it; where the own
        slots are all taken, the turn is given up.
        """
        found: list[Held] = []
        refused = False

        def take(resources: Resources) -> Share | None:
            nonlocal refused
            share = None if refused else self.slots.take(resources, group.held())
            if share is None:
                return None
            held = self._pool.acquire(min(resources.cores, self.slots.cores), resources.memory_GB)
            refused = held is None
            found.extend([held] if held is not None else [])
            return None if refused else share

        turn = group.queue.next(take)
        if turn is None:
            if not refused:
                self._pool.withdraw()
            return None
        return *turn, found[0]

    def _begin(self, batch: Batch, share: Share, descriptors: Sequence[int]) -> Worker:
        """Start the process of a batch; it inherits the descriptors that hold its part of the pool."""
        name, folders, launch = uuid.uuid4().hex, batch.folders, batch.launch
        threads = thread_variables(min(batch.resources.cores, self.slots.cores))
        variables = {**threads, "PYTHONHASHSEED": "0", WORKER_VARIABLE: name}
        variables |= {GPUS_VARIABLE: ",".join(share.gpus), **share.variables}
        with _startup(folders[0]).open("wb") as stream:
            process = subprocess.Popen(
                launch.command("-P", "-m", "pfd.tasks", *(str(folder.path) for folder in folders), **variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,
                pass_fds=descriptors,
                env=launch.environ(**variables),
            )
        return Worker(process, folders, share, _count_attempts(folders), name)

    def _reap(self, group: Group) -> None:
        for worker in list(group.workers):
            code = worker.process.poll()
            if code is not None:
                group.workers.remove(worker)
                self._settle(group, worker, code)
        group.strangers = [(holder, share) for holder, share in group.strangers if holder.alive()]
        for key, (folder, holder) in list(group.adopted.items()):
            if folder.done():
                group.done.add(key)
                del group.adopted[key]
            elif folder.claimed_by() != holder:
                del group.adopted[key]
                self._again(group, [folder])

    def _settle(self, group: Group, worker: Worker, code: int) -> None:
        """Sort the folders of a process that has ended: done, failed, to be tried again."""
        group.note_done(worker.folders)
        unfinished = [folder for folder in worker.folders if not folder.done()]
        for folder in unfinished:
            attempts = folder.attempts()
            if folder.claimed_by() is not None:  # what stood before it has ended, it has not: it is waited for
                continue
            if attempts and not (attempts[-1] / "ended.json").is_file() and claim_worker(folder) == worker.name:
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
        self._enqueue(group, retry)

    def _stop(self, group: Group) -> None:
        """Ask what runs to end, wait a little, end it; nothing of it counts as a failure."""
        strangers = [holder for holder, _ in group.strangers if holder.here]
        strangers += [
            holder
            for worker in group.workers
            for holder in (folder.claimed_by() for folder in worker.folders)
            if holder is not None and holder.here and holder.pid != worker.process.pid
        ]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for worker in group.workers:
                signal_led_group(worker.process.pid, number)
            for holder in strangers:
                if holder.alive():
                    signal_group_of(holder.pid, number)
            deadline = time.monotonic() + GRACE_SECONDS
            while time.monotonic() < deadline and (
                any(worker.process.poll() is None for worker in group.workers)
                or any(holder.alive() for holder in strangers)
            ):
                time.sleep(POLL_SECONDS)
        for worker in group.workers:
            worker.process.wait()
            for folder in worker.folders:
                _close_attempt(folder, worker.name)


def _startup(folder: TaskFolder) -> Path:
    """Where a process that begins with this folder writes what it says outside its tasks."""
    return folder.path / "startup.txt"


def _close_attempt(folder: TaskFolder, worker: str) -> None:
    """Note that the attempt of a process that was ended is over: from another host nobody could tell."""
    attempts = folder.attempts()
    if not attempts or folder.done() or claim_worker(folder) != worker or folder.claimed_by() is not None:
        return
    if not (attempts[-1] / "ended.json").is_file():
        folder.end_attempt(attempts[-1], "interrupted", counted=False)


def _count_attempts(folders: Sequence[TaskFolder]) -> int:
    return sum(len(folder.attempts()) for folder in folders)


def _tell_to_stop(group: Group) -> None:
    """Ask the running processes to begin no further task of theirs."""
    group.look()
    at_work = [worker.current.claimed_by() for worker in group.workers]  # not what stands before it: a container's
    working = {holder.pid for holder in at_work if holder is not None and holder.here}  # command would end by it
    working |= {holder.pid for holder, _ in group.strangers if holder.here and holder.alive()}
    for pid in working - group.told_to_stop:
        signal_process(pid, signal.SIGUSR1)
    group.told_to_stop |= working


def _open_folders(group: Group, batch: list[TaskFolder]) -> list[TaskFolder]:
    """Those of a batch that are still to be done; an adopted process may have come to some while they waited."""
    still = []
    for folder in batch:
        holder = folder.claimed_by()
        if holder is not None:
            group.adopt(folder, holder)
        elif folder.done():
            group.note_done([folder])
        else:
            still.append(folder)
    return still


def _failure(folder: TaskFolder) -> TaskFailed:
    result = folder.result()
    if result is not None and result.failure is not None:
        return TaskFailed(result.failure.message, where=f"task {folder.name}", exit_code=result.failure.exit_code)
    startup = _startup(folder)
    text = startup.read_text(encoding="utf-8", errors="replace").strip() if startup.is_file() else ""
    last = text.splitlines()[-1] if text else "the process ended before it began the task"
    return TaskFailed(last, where=f"task {folder.name}", hint=f"read {startup}")
