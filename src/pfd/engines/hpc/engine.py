"""The hpc engine: tasks in jobs of a queue; each is submitted once, and adopted again after a crash of the driver."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pfd.engines.engine import Observer
from pfd.engines.hpc.cluster import Busy, Cluster, Rejected
from pfd.engines.hpc.queue_watch import STOP, QueueWatch, groups_of, resources_of
from pfd.engines.hpc.shared_files import Files
from pfd.engines.hpc.submission import JobRecord, Submission
from pfd.engines.hpc.work import Live, Work
from pfd.engines.threads import thread_counts
from pfd.environments.launch import Launch
from pfd.errors import RunError, TaskFailed
from pfd.schedulers.scheduler import QueuedJob
from pfd.tasks.folder import Resources, TaskFolder
from pfd.tasks.process import STOP_VARIABLE, WORKER_VARIABLE

LOOK_SECONDS = (0.1, 5.0)
"""How often files are looked at: at first, and when nothing has changed for long."""
ASK_SECONDS = (2.0, 20.0)
"""How often the scheduler is asked, which is needed only for jobs that leave no word: the same."""
BUSY_SECONDS = (5.0, 60.0)
"""How long to wait with the next job after the queue took none: at first, and at most."""
BUSY_LIMIT_SECONDS = 3600.0
"""A queue that takes nothing for so long, while no job of ours is in it, has rejected it."""
AT_ONCE = 20
"""Jobs submitted between two looks at those that run."""


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
        self._launch = launch
        self._watch = QueueWatch(run, cluster, files, max_attempts)

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """See ``Engine.run``."""
        look, ask, asked = LOOK_SECONDS[0], ASK_SECONDS[0], time.monotonic()
        try:
            work = self._begin(folders)
            while work.open():
                if work.fatal:
                    self._watch.halt(work)
                submitted = self._submit(work)
                ended = self._watch.look(work)
                if time.monotonic() - asked > ask or any(live.missing_since for live in work.live.values()):
                    ended += self._watch.ask(work)
                    ask, asked = min(1.5 * ask, ASK_SECONDS[1]), time.monotonic()
                observe(work.progress())
                look = LOOK_SECONDS[0] if submitted or ended else min(1.2 * look, LOOK_SECONDS[1])
                if ended:
                    ask = ASK_SECONDS[0]
                if work.open() and not (submitted and work.queue and not work.is_busy()):
                    time.sleep(look)
        except (KeyboardInterrupt, SystemExit):
            self._watch.stop()
            raise
        work.note_done(folders)
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
            records = [record for record in submission.records() if record.state != "ended"]
            if records:
                self._require_same(submission)
            if records or submission is work.submission:  # it may be the one in which a task failed for good
                self._files.remove(submission, STOP)
            for record in records:
                if any(task in by_task for task in record.tasks):
                    self._adopt(work, submission, record, known)
                elif self._files.reserve(
                    submission, f"{record.name}.began"
                ):  # an earlier input's: it waits for nothing
                    self._cluster.cancel([record.id] if record.id else [])
                    submission.write(record, state="ended", how="no task of it is wanted now")
            if not records and submission is not work.submission:
                submission.close()
        work.note_done(folders)
        taken = work.in_jobs() | work.done
        pending = [folder for folder in folders if str(folder.path) not in taken]
        for folder in pending:
            folder.forget_failure()
        work.queue = groups_of(pending)
        return work

    def _require_same(self, submission: Submission) -> None:
        """Refuse to take jobs for lost because they are in another cluster's queue.

        Raises:
            RunError: naming the submission.
        """
        now = self._cluster.settings.model_dump(mode="json")
        other = [
            key for key in ("scheduler", "context", "host", "remote_folder") if submission.cluster[key] != now[key]
        ]
        if other:
            was = ", ".join(f"{key}: {submission.cluster[key]}" for key in other)
            raise RunError(
                f"jobs of this run are in the queue of another cluster ({was})",
                where=str(submission.path),
                hint="submit the earlier input until they have ended; or cancel them there, write {} into "
                "closed.json of this folder, and submit again",
            )

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
        there = [folder for folder in folders if folder.readable()]
        work.live[record.name] = Live(submission, record, there, adopted=True)

    # to the queue

    def _submit(self, work: Work) -> int:
        """Submit what the caps allow; returns how many jobs."""
        count = 0
        while work.queue and not work.fatal and not work.is_busy() and count < AT_ONCE:
            request = resources_of(work.queue[0][0]).job
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
        if self._watch.held_by_others(work, folder):
            work.strangers[str(folder.path)] = folder
            return False
        attempts = folder.attempts()
        if attempts and not (attempts[-1] / "ended.json").is_file():
            folder.end_attempt(attempts[-1], "its process is gone", counted=False)
        return True

    def _submit_group(self, work: Work, group: list[TaskFolder]) -> int:
        submission = work.submission
        self._files.send(group)
        record = submission.new_record([os.path.relpath(folder.path, self.run_folder) for folder in group])
        resources = resources_of(group[0])
        command = self._command(submission, record.name, group, resources)
        work.live[record.name] = Live(submission, record, group)  # from now on Ctrl-C looks for it in the queue
        try:
            job_id = self._cluster.submit(submission, record.name, command, resources)
        except Rejected as rejected:
            del work.live[record.name]
            submission.write(record, state="ended", how=rejected.what)
            work.fatal.append(rejected)
            return 0
        except Busy as busy:
            del work.live[record.name]
            self._wait_with(work, group, record, busy)
            return 0
        work.busy_since = None
        work.live[record.name].record = submission.write(record, state="queued", id=job_id)
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
        variables = {
            **thread_counts(resources.cores // resources.job.nodes),
            "PYTHONHASHSEED": "0",
            WORKER_VARIABLE: name,
        }
        variables[STOP_VARIABLE] = self._files.path_of(submission.path / STOP)
        told = [f"{key}={value}" for key, value in (dict(launch.variables) | variables).items()]
        paths = (self._files.path_of(folder.path) for folder in group)
        line = shlex.join(["env", *told, *launch.command("-P", "-m", "pfd.tasks", *paths, **variables)])
        return f"mkdir {name}.began || exit 0; {line}; echo $? > .{name}.code && mv .{name}.code {name}.code"
