"""The cluster of a run: scripts as dpdispatcher writes them, submitted and watched by commands of the scheduler."""

from __future__ import annotations

import math
import shlex
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfd.engines.hpc.submission import FOLDER, Submission
from pfd.errors import PFDError
from pfd.json_file import read_json, write_json
from pfd.schedulers.connection import Connection
from pfd.schedulers.known import SCHEDULERS
from pfd.schedulers.scheduler import JobShape, QueuedJob, Scheduler
from pfd.schedulers.settings import ClusterSettings
from pfd.tasks.folder import Resources


class Rejected(PFDError):
    """The queue does not take a job, and will not take it later either."""

    exit_code = 2


class Busy(PFDError):
    """The queue does not take a job now."""


class Cluster:
    """One cluster, as a run uses it.

    Args:
        settings: the input's word on it.
        run: the run folder.

    Attributes:
        root: the run folder as the nodes see it.
    """

    def __init__(self, settings: ClusterSettings, run: Path) -> None:
        self.settings, self.run = settings, run
        self.scheduler: Scheduler = SCHEDULERS[settings.scheduler]
        remote = settings.remote_folder
        self.root = str(run) if remote is None else f"{remote.rstrip('/')}/{_name_there(run)}"
        self.connection = Connection(settings, run, self.root)

    def jobs(self, ids: Sequence[str] = ()) -> list[QueuedJob] | None:
        """See ``Scheduler.jobs``."""
        return self.scheduler.jobs(self.connection.shell, ids)

    def cancel(self, ids: Sequence[str]) -> None:
        """Ask jobs to end; one that has ended meanwhile is no error."""
        if ids:
            self.connection.shell(self.scheduler.cancel_command(ids))

    def submit(self, submission: Submission, name: str, command: str, resources: Resources) -> str:
        """Submit a job; returns its id.

        Args:
            submission: in whose folder it works.
            name: of the job.
            command: what it runs.
            resources: what it asks for.

        Raises:
            Rejected, Busy: with the scheduler's own words.
        """
        script, commands = self.script(submission, name, command, resources)
        context = self.connection.context(submission.place)
        context.write_file(f"{name}.sh.run", commands)
        context.write_file(f"{name}.sh", script)
        line = self.scheduler.submit_command(f"{name}.sh")
        code, output, error = self.connection.shell(f"cd {shlex.quote(context.remote_root)} && {line}")
        try:
            if code == 0:
                return self.scheduler.submitted_id(output)
        except ValueError:
            pass
        words = (error.strip() or output.strip() or f"exit code {code}").splitlines()
        said = "; ".join(line.strip() for line in words if line.strip())
        if any(word in said for word in self.scheduler.busy):
            raise Busy(f'the queue takes no job now: "{said}"')
        where = f"{submission.path / name}.sh"
        raise Rejected(f'the queue rejects the job: "{said}"', where=where, hint="correct the step's resources")

    def script(self, submission: Submission, name: str, command: str, resources: Resources) -> tuple[str, str]:
        """What a job's script says, and the file that it sources, as dpdispatcher writes them."""
        job = self._job(submission, name, command, resources)
        shape, machine = _shape(name, resources), self.connection.machine
        head, _, rest = machine.gen_script(job).lstrip("\n").partition("REMOTE_ROOT=")
        return f"{self.scheduler.with_memory(head, shape)}REMOTE_ROOT={rest}", machine.gen_script_command(job)

    def _job(self, submission: Submission, name: str, command: str, resources: Resources) -> Any:
        """The job of dpdispatcher, with one task, which is our command."""
        assert resources.job is not None
        request, dispatcher = resources.job, self.connection.dispatcher
        self.connection.context(submission.place)
        gpus = resources.gpus // request.nodes
        options = self.scheduler.gpu_options(gpus)
        if self.scheduler.name == "sge":
            options["pe_name"] = self.settings.parallel_environment
        asked = dispatcher.Resources(
            number_node=request.nodes,
            cpu_per_node=resources.cores // request.nodes,
            gpu_per_node=gpus,
            queue_name=request.queue or "",
            group_size=1,
            custom_flags=[*self.scheduler.lines(_shape(name, resources)), *request.directives],
            module_list=list(request.modules),
            prepend_script=[request.before] if request.before else [],
            kwargs=options,
        )
        log = f"{name}.log"
        task = dispatcher.Task(command=command, task_work_path=".", outlog=log, errlog=log, task_name=name)
        job = dispatcher.Job(job_task_list=[task], resources=asked, machine=self.connection.machine)
        job.script_file_name = f"{name}.sh"
        return job


def _shape(name: str, resources: Resources) -> JobShape:
    assert resources.job is not None
    nodes = resources.job.nodes
    memory = math.ceil(resources.memory_GB * 1000.0 / nodes)
    return JobShape(name, resources.cores // nodes, memory, resources.walltime_s)


def _name_there(run: Path) -> str:
    """How a run's folder is called on another machine: two runs of one name must not meet there."""
    path = run / FOLDER / "remote.json"
    content = read_json(path)
    if not isinstance(content, dict):
        path.parent.mkdir(exist_ok=True)
        content = {"name": f"{run.name}-{uuid.uuid4().hex[:8]}"}
        write_json(path, content)
    return str(content["name"])
