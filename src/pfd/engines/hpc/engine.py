"""The hpc engine: tasks in jobs of a queue; each is submitted once, and adopted again after a crash of the driver."""

from __future__ import annotations

import os
import shlex
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pfd.engines.engine import Observer
from pfd.engines.hpc.cluster import Busy, Cluster, Rejected
from pfd.engines.hpc.ending import Ending, ending_of
from pfd.engines.hpc.shared_files import Files
from pfd.engines.hpc.submission import JobRecord, Submission, is_own_worker
from pfd.engines.hpc.work import Live, Work
from pfd.environments.launch import Launch
from pfd.errors import TaskFailed
from pfd.json_file import read_json
from pfd.schedulers.scheduler import QueuedJob
from pfd.tasks.folder import Resources, TaskFolder
from pfd.tasks.process import STOP_VARIABLE, WORKER_VARIABLE

LOOK_SECONDS = (0.1, 5.0)
"""How often files are looked at: at first, and when nothing has changed for long."""
ASK_SECONDS = (2.0, 20.0)
"""How often the scheduler is asked, which is needed only for jobs that leave no word: the same."""
VISIBLE_SECONDS = 10.0
"""A job that the queue no longer knows may have left its last word where a network file system shows it later."""
BUSY_SECONDS = (5.0, 60.0)
"""How long to wait with the next job after the queue took none: at first, and at most."""
BUSY_LIMIT_SECONDS = 3600.0
"""A queue that takes nothing for so long, while no job of ours is in it, has rejected it."""
LOST_LIMIT = 10
"""A task whose jobs were lost so often, besides its counted attempts, is given up: nothing is resubmitted for ever."""
AT_ONCE = 20
"""Jobs submitted between two looks at those that run."""
STOP_SECONDS = 10.0
STOP = "stop"


class HpcEngine:
    """Runs tasks as jobs.

    Args:
        run: the run folder, in which submissions are kept.
        cluster: where jobs are submitted.
        files: how files get there.
        max_attempts: how often one task may end for transient reasons.
        launch: how tasks of a family are started there.
    """

    def __init__(
        self, run: Path, cluster: Cluster, files: Files, max_attempts: int, launch: Callable[[str], Launch]
    ) -> None:
        self.run_folder, self._cluster, self._files = run, cluster, files
        self.max_attempts, self._launch = max_attempts, launch

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """See ``Engine.run``."""
        work = self._begin(folders)
        look, ask, asked = LOOK_SECONDS[0], ASK_SECONDS[0], time.monotonic()
        try:
            while work.open():
                if work.fatal:
                    self._halt(work)
                submitted = self._submit(work)
                ended = self._look(work)
                if time.monotonic() - asked > ask or any(live.missing_since for live in work.live.values()):
                    ended += self._ask(work)
                    ask, asked = min(1.5 * ask, ASK_SECONDS[1]), time.monotonic()
                observe(work.progress())
                look = LOOK_SECONDS[0] if submitted or ended else min(1.2 * look, LOOK_SECONDS[1])
                if ended:
                    ask = ASK_SECONDS[0]
                if work.open() and not (submitted and work.queue and not work.is_busy()):
                    time.sleep(look)
        except (KeyboardInterrupt, SystemExit):
            self._stop(work)
            raise
        observe(work.progress())
        if not work.fatal:
            work.submission.close()
            return work.given_up
        raise work.fatal[0]

    # what is there from before

    def _begin(self, folders: Sequence[TaskFolder]) -> Work:
        """Take up the jobs of earlier drivers, and sort the tasks that no job has."""
        tasks = [os.path.relpath(folder.path, self.run_folder) for folder in folders]
        by_task = dict(zip(tasks, folders, strict=True))
        submissions = list(Submission.open_ones(self.run_folder))
        same = [each for each in submissions if each.tasks == tasks]
        settings = self._cluster.settings.model_dump(mode="json")
        work = Work(folders, same[-1] if same else Submission.create(self.run_folder, tasks, settings))
        known = self._known_jobs() if submissions else []
        for submission in submissions:
            self._files.remove(submission, STOP)
            records = [record for record in submission.records() if record.state != "ended"]
            for record in records:
                if any(task in by_task for task in record.tasks):
                    self._adopt(work, submission, record, known)
            if not records and submission is not work.submission:
                submission.close()
        held = work.in_jobs()
        pending = [folder for folder in folders if not folder.done() and str(folder.path) not in held]
        for folder in pending:
            folder.forget_failure()
        work.queue = self._groups(pending)
        return work

    def _known_jobs(self) -> list[QueuedJob]:
        """What the queue holds of this user's.

        Raises:
            TaskFailed: if it does not answer: then nobody may submit anything.
        """
        deadline = time.monotonic() + BUSY_SECONDS[1]
        while (jobs := self._cluster.jobs()) is None:
            if time.monotonic() > deadline:
                hint = "submit again when it does; what is in the queue goes on, and is then taken up"
                raise TaskFailed("the scheduler does not answer", where="resources.cluster", hint=hint)
            time.sleep(BUSY_SECONDS[0])
        return jobs

    def _adopt(self, work: Work, submission: Submission, record: JobRecord, known: Sequence[QueuedJob]) -> None:
        """Take up a job; one whose id was lost is found by its name, or declared void before it can begin."""
        if record.state == "submitting":
            job_id = next((job.id for job in known if job.name == record.name and job.state != "ended"), "")
            if job_id:
                record = submission.write(record, state="queued", id=job_id)
            elif self._files.reserve(submission, f"{record.name}.began"):
                submission.write(record, state="ended", how="was never submitted")
                return
        folders = [TaskFolder(self.run_folder / task) for task in record.tasks]
        work.live[record.name] = Live(submission, record, [folder for folder in folders if folder.readable()])

    # to the queue

    def _groups(self, folders: Iterable[TaskFolder]) -> list[list[TaskFolder]]:
        """Tasks of equal resources in groups, in order."""
        alike: dict[str, list[TaskFolder]] = {}
        for folder in folders:
            alike.setdefault(_resources(folder).model_dump_json(), []).append(folder)
        groups = []
        for same in alike.values():
            request = _resources(same[0]).job
            size = request.tasks_per_job if request is not None else 1
            groups += [same[begin : begin + size] for begin in range(0, len(same), size)]
        return groups

    def _submit(self, work: Work) -> int:
        """Submit what the caps allow; returns how many jobs."""
        count = 0
        while work.queue and not work.fatal and not work.is_busy() and count < AT_ONCE:
            request = _resources(work.queue[0][0]).job
            if request is not None and request.max_jobs is not None and len(work.live) >= request.max_jobs:
                break
            group = [folder for folder in work.queue.pop(0) if self._ready(work, folder)]
            if group:
                count += self._submit_group(work, group)
        return count

    def _ready(self, work: Work, folder: TaskFolder) -> bool:
        """Whether a task is still to be done, by nobody else; an attempt whose process is gone is closed."""
        if folder.done():
            return False
        if self._held_by_others(work, folder):
            work.strangers[str(folder.path)] = folder
            return False
        attempts = folder.attempts()
        if attempts and not (attempts[-1] / "ended.json").is_file():
            folder.end_attempt(attempts[-1], "its process is gone", counted=False)
        return True

    def _held_by_others(self, work: Work, folder: TaskFolder) -> bool:
        """Whether a process works on a task that is in no living job; a job of ours that has ended needs no proof."""
        holder = folder.claimed_by()
        if holder is None:
            return False
        ours = is_own_worker(self.run_folder, holder.worker) and holder.worker not in work.live
        return not (ours and holder.state() == "unknown")

    def _submit_group(self, work: Work, group: list[TaskFolder]) -> int:
        submission = work.submission
        self._files.send(group)
        record = submission.new_record([os.path.relpath(folder.path, self.run_folder) for folder in group])
        resources = _resources(group[0])
        command = self._command(submission, record.name, group, resources)
        try:
            job_id = self._cluster.submit(submission, record.name, command, resources)
        except Rejected as rejected:
            submission.write(record, state="ended", how=rejected.what)
            work.fatal.append(rejected)
            return 0
        except Busy as busy:
            self._wait_with(work, group, record, busy)
            return 0
        work.busy_since = None
        record = submission.write(record, state="queued", id=job_id)
        work.live[record.name] = Live(submission, record, group)
        return 1

    def _wait_with(self, work: Work, group: list[TaskFolder], record: JobRecord, busy: Busy) -> None:
        """The queue takes no job now; it may have taken this one all the same."""
        self._adopt(work, work.submission, record, self._known_jobs())
        if record.name in work.live:
            return
        now = time.monotonic()
        work.busy_since = work.busy_since or now
        work.queue.insert(0, group)
        work.busy_until = now + min(BUSY_SECONDS[0] + (now - work.busy_since) / 2.0, BUSY_SECONDS[1])
        work.message = f"{busy.what}; it is asked again"
        if not work.live and now - work.busy_since > BUSY_LIMIT_SECONDS:
            work.fatal.append(TaskFailed(busy.what, where="resources.cluster", hint="submit again later"))

    def _command(self, submission: Submission, name: str, group: Sequence[TaskFolder], resources: Resources) -> str:
        """What a job runs: it begins by taking its name, which can be done once, and ends by saying how it went."""
        assert resources.job is not None
        launch = self._launch(resources.family)
        threads = str(resources.cores // resources.job.nodes)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        variables = {**dict.fromkeys(names, threads), "PYTHONHASHSEED": "0", WORKER_VARIABLE: name}
        variables[STOP_VARIABLE] = self._files.path_of(submission.path / STOP)
        told = [f"{key}={value}" for key, value in (dict(launch.variables) | variables).items()]
        paths = (self._files.path_of(folder.path) for folder in group)
        line = shlex.join(["env", *told, *launch.command("-P", "-m", "pfd.tasks", *paths, **variables)])
        return f"mkdir {name}.began || exit 0; {line}; echo $? > .{name}.code && mv .{name}.code {name}.code"

    # from the queue

    def _look(self, work: Work) -> int:
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
            if folder.done() or not self._held_by_others(work, folder):
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

    def _ask(self, work: Work) -> int:
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
        ending = ending_of(code, live.end, output, elapsed, _resources(live.folders[0]).walltime_s)
        mine = {str(folder.path) for folder in live.folders if _last_worker(folder) == name}
        finished = any(folder.done() for folder in live.folders if str(folder.path) in mine)
        counted = ending.counted and not (ending.by_time and finished)  # others had used up its time
        for folder in live.folders:
            if not folder.done() and str(folder.path) in mine and not _works_on(folder, name):
                attempt = folder.attempts()[-1]
                if not (attempt / "ended.json").is_file():
                    folder.end_attempt(attempt, ending.reason, counted=counted)
        del work.live[name]
        live.submission.write(live.record, state="ended", how=ending.reason if code else "came to its end")
        if mine or all(folder.done() for folder in live.folders):
            work.barren = 0
        elif not ending.outside and not work.halted and not self._held_elsewhere(live):
            self._note_barren(work, live, ending)
        unfinished = [folder for folder in live.folders if not folder.done()]
        again = [folder for folder in unfinished if self._to_be_tried(work, folder)]
        alone = [[folder] for folder in again if str(folder.path) in mine]
        work.queue = alone + self._groups(each for each in again if str(each.path) not in mine) + work.queue

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

    # the end

    def _halt(self, work: Work) -> None:
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

    def _stop(self, work: Work) -> None:
        """Ask all jobs to end, and wait a little; nothing of it counts as a failure."""
        jobs = self._cluster.jobs() or []
        names = {live.record.name for live in work.live.values()}
        ids = {live.record.id for live in work.live.values() if live.record.id}
        ids |= {job.id for job in jobs if job.name in names and job.state != "ended"}
        self._cluster.cancel(sorted(ids))
        deadline = time.monotonic() + STOP_SECONDS
        while ids and time.monotonic() < deadline:
            jobs = self._cluster.jobs(sorted(ids)) or []
            if not any(job.state != "ended" for job in jobs):
                return
            time.sleep(0.2)


def _resources(folder: TaskFolder) -> Resources:
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
