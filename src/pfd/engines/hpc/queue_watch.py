"""What becomes of jobs: which have ended, how, and what that means for the tasks that they were to run."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from pfd.engines.hpc.cluster import Cluster
from pfd.engines.hpc.ending import Ending, ending_of
from pfd.engines.hpc.shared_files import Files
from pfd.engines.hpc.submission import Submission, is_own_worker
from pfd.engines.hpc.work import Live, Work
from pfd.errors import TaskFailed
from pfd.json_file import read_json
from pfd.tasks.folder import Resources, TaskFolder

VISIBLE_SECONDS = 10.0
"""A job that the queue no longer knows may have left its last word where a network file system shows it later."""
LOST_LIMIT = 10
"""A task whose jobs were lost so often, besides its counted attempts, is given up: nothing is resubmitted for ever."""
STOP_SECONDS = 10.0
STOP = "stop"
"""In a submission's folder: its jobs begin no further task."""


class QueueWatch:
    """Watches the jobs of a run.

    Args:
        run: the run folder.
        cluster: whose queue they are in.
        files: how what they leave is seen.
        max_attempts: how often one task may end for transient reasons.
    """

    def __init__(self, run: Path, cluster: Cluster, files: Files, max_attempts: int) -> None:
        self.run_folder, self._cluster, self._files = run, cluster, files
        self.max_attempts = max_attempts

    def look(self, work: Work) -> int:
        """See which jobs have left their last word, and which tasks of others are done; returns how many."""
        ended = 0
        names = {each.submission.place: self._files.names(each.submission) for each in _one_of_each(work)}
        for live in list(work.live.values()):
            there = names[live.submission.place]
            live.waiting = f"{live.record.name}.began" not in there
            if f"{live.record.name}.code" in there:
                code = int(self._files.text(live.submission, f"{live.record.name}.code").strip() or 1)
                if code <= 128 or self._left_queue(live):
                    self._settle(work, live, code)
                    ended += 1
        for path, folder in list(work.strangers.items()):
            if folder.done() or not self.held_by_others(work, folder):
                del work.strangers[path]
                work.queue += [] if folder.done() else [[folder]]
                ended += 1
        return ended

    def _left_queue(self, live: Live) -> bool:
        """Whether the queue has had the time to say why a job was killed."""
        jobs = self._cluster.jobs([live.record.id]) if live.record.id else []
        gone = not any(job.state != "ended" for job in jobs or ())
        live.end = next((job.end for job in jobs or () if job.end), live.end)
        live.missing_since = live.missing_since or time.monotonic()
        return (gone and jobs is not None) or time.monotonic() - live.missing_since > VISIBLE_SECONDS

    def ask(self, work: Work) -> int:
        """Ask the scheduler for jobs that left no word; returns how many have ended."""
        ids = [live.record.id for live in work.live.values() if live.record.id]
        jobs = self._cluster.jobs(ids if len(ids) == len(work.live) <= 200 else ())
        if jobs is None:
            work.message = "the scheduler does not answer; it is asked again"
            return 0
        by_id = {job.id: job for job in jobs}
        by_name = {job.name: job for job in jobs if job.state != "ended"}
        ended = 0
        for live in list(work.live.values()):
            job = by_id.get(live.record.id) or by_name.get(live.record.name)
            if job is not None and job.state != "ended":
                live.missing_since = None
                continue
            live.end = job.end if job is not None else ""
            live.missing_since = live.missing_since or time.monotonic()
            late = time.monotonic() - live.missing_since > VISIBLE_SECONDS
            if (live.end or late) and f"{live.record.name}.code" not in self._files.names(live.submission):
                self._settle(work, live, None)
                ended += 1
        return ended

    def _settle(self, work: Work, live: Live, code: int | None) -> None:
        """Sort the tasks of a job that has ended: done, failed, to be tried again."""
        name, files = live.record.name, self._files
        files.fetch(live.folders)
        output = files.text(live.submission, self._cluster.scheduler.output_of(name, live.record.id))
        elapsed = files.age_s(live.submission, f"{name}.began")
        walltime_s = resources_of(live.folders[0]).walltime_s if live.folders else None
        ending = ending_of(code, live.end, output, elapsed, walltime_s)
        mine = {str(folder.path) for folder in live.folders if _last_worker(folder) == name}
        finished = any(folder.done() for folder in live.folders if str(folder.path) in mine)
        counted = ending.counted and not (ending.by_time and finished)  # others had used up its time
        for folder in live.folders:
            if not folder.done() and str(folder.path) in mine and not _works_on(folder, name):
                attempt = folder.attempts()[-1]
                if not (attempt / "ended.json").is_file():
                    folder.end_attempt(attempt, ending.reason, counted=counted)
        del work.live[name]
        live.submission.write(live.record, state="ended", how="came to its end" if code == 0 else ending.reason)
        if mine or all(folder.done() for folder in live.folders):
            work.barren = 0
        elif not (ending.outside or live.adopted or work.halted or self._held_elsewhere(live)):
            self._note_barren(work, live, ending)
        work.note_done(live.folders)
        unfinished = [folder for folder in live.folders if not folder.done()]
        again = [folder for folder in unfinished if self._to_be_tried(work, folder)]
        alone = [[folder] for folder in again if str(folder.path) in mine]
        work.queue = alone + groups_of(each for each in again if str(each.path) not in mine) + work.queue

    def _held_elsewhere(self, live: Live) -> bool:
        return any(folder.claimed_by() is not None for folder in live.folders)

    def _note_barren(self, work: Work, live: Live, ending: Ending) -> None:
        work.barren += 1
        if work.barren < self.max_attempts:
            return
        name = live.record.name
        said = [self._files.text(live.submission, f"{name}.log")]
        said.append(self._files.text(live.submission, self._cluster.scheduler.output_of(name, live.record.id)))
        last = next((text.strip().splitlines()[-1] for text in said if text.strip()), ending.reason)
        what = f"{work.barren} jobs in a row ended before they had begun a task; the last said: {last}"
        hint = f"read {live.submission.path / name}.log and .out"
        work.fatal.append(TaskFailed(what, where=f"job {name}", hint=hint))

    def _to_be_tried(self, work: Work, folder: TaskFolder) -> bool:
        result, counted = folder.result(), folder.counted_attempts()
        if result is not None and result.failure is not None:
            failure = result.failure
            work.fatal.append(TaskFailed(failure.message, where=f"task {folder.name}", exit_code=failure.exit_code))
        elif len(counted) >= self.max_attempts:
            work.given_up[str(folder.path)] = f"{len(counted)} attempts, the last: {counted[-1]}"
        elif len(folder.attempts()) >= self.max_attempts + LOST_LIMIT:
            last = (read_json(folder.attempts()[-1] / "ended.json") or {}).get("message", "")
            work.given_up[str(folder.path)] = f"{len(folder.attempts())} attempts were lost, the last: {last}"
        else:
            return True
        return False

    def held_by_others(self, work: Work, folder: TaskFolder) -> bool:
        """Whether a process works on a task that is in no living job; a job of ours that has ended needs no proof."""
        holder = folder.claimed_by()
        if holder is None:
            return False
        ours = is_own_worker(self.run_folder, holder.worker) and holder.worker not in work.live
        return not (ours and holder.state() == "unknown")

    def halt(self, work: Work) -> None:
        """After a fatal failure: jobs that wait are cancelled, those that run begin no further task."""
        if work.halted:
            return
        work.halted = True
        for live in _one_of_each(work):
            self._files.reserve(live.submission, STOP)
        waiting = [
            live for live in work.live.values() if self._files.reserve(live.submission, f"{live.record.name}.began")
        ]
        self._cluster.cancel([live.record.id for live in waiting if live.record.id])
        for live in waiting:
            live.submission.write(live.record, state="ended", how="cancelled before it began")
            del work.live[live.record.name]

    def stop(self) -> None:
        """Ask all jobs of the run to end, and wait a little; nothing of it counts as a failure."""
        jobs = self._cluster.jobs() or []
        submissions = Submission.open_ones(self.run_folder)
        records = [record for each in submissions for record in each.records() if record.state != "ended"]
        names = {record.name for record in records}
        ids = {record.id for record in records if record.id}
        ids |= {job.id for job in jobs if job.name in names and job.state != "ended"}
        self._cluster.cancel(sorted(ids))
        deadline = time.monotonic() + STOP_SECONDS
        while ids and time.monotonic() < deadline:
            jobs = self._cluster.jobs(sorted(ids)) or []
            if not any(job.state != "ended" for job in jobs):
                return
            time.sleep(0.2)


def groups_of(folders: Iterable[TaskFolder]) -> list[list[TaskFolder]]:
    """Tasks of equal resources in groups, in order."""
    alike: dict[str, list[TaskFolder]] = {}
    for folder in folders:
        alike.setdefault(resources_of(folder).model_dump_json(), []).append(folder)
    groups = []
    for same in alike.values():
        request = resources_of(same[0]).job
        size = request.tasks_per_job if request is not None else 1
        groups += [same[begin : begin + size] for begin in range(0, len(same), size)]
    return groups


def resources_of(folder: TaskFolder) -> Resources:
    """What a task asks for."""
    return Resources.model_validate(folder.task()["resources"])


def _last_worker(folder: TaskFolder) -> str:
    """Who made the last attempt."""
    attempts = folder.attempts()
    claim = read_json(attempts[-1] / "claim.json") if attempts else None
    return str(claim.get("worker", "")) if isinstance(claim, dict) else ""


def _works_on(folder: TaskFolder, name: str) -> bool:
    """Whether a process works on a task although its job has ended; of other hosts, the job's end says enough."""
    holder = folder.claimed_by()
    return holder is not None and (holder.worker != name or holder.host == socket.gethostname())


def _one_of_each(work: Work) -> list[Live]:
    """One living job of each submission."""
    return list({live.submission.place: live for live in work.live.values()}.values())
