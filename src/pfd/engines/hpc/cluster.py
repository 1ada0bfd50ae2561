"""The cluster: scripts as dpdispatcher writes them, submitted and watched by our own commands through its contexts."""

from __future__ import annotations

import getpass
import logging
import math
import os
import shlex
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pfd.engines.hpc.submission import FOLDER, Submission
from pfd.errors import MissingError, PFDError, SettingError
from pfd.json_file import read_json, write_json
from pfd.schedulers.known import SCHEDULERS
from pfd.schedulers.scheduler import JobShape, QueuedJob, Scheduler
from pfd.schedulers.settings import ClusterSettings
from pfd.tasks.folder import Resources

CONTEXTS = {"shared": "LazyLocal", "ssh": "SSH", "bohrium": "OpenAPI"}
PASSPHRASE_VARIABLE = "PFD_SSH_PASSPHRASE"  # noqa: S105
"""Environment variable with the passphrase of an ssh key."""
INSTALL = 'pip install "pfd-kit[hpc]"'


class Rejected(PFDError):
    """The queue does not take a job, and will not take it later either."""

    exit_code = 2


class Busy(PFDError):
    """The queue does not take a job now."""


class Cluster:
    """One cluster, reached from this machine.

    Args:
        settings: the input's word on it.
        run: the run folder.
    """

    def __init__(self, settings: ClusterSettings, run: Path) -> None:
        self.settings, self.run = settings, run
        self.scheduler: Scheduler = SCHEDULERS[settings.scheduler]
        self._machine: Any = None
        self._bound: str | None = None

    @property
    def root(self) -> str:
        """The run folder as the nodes see it."""
        if self.settings.remote_folder is None:
            return str(self.run)
        return f"{self.settings.remote_folder.rstrip('/')}/{_remote_name(self.run)}"

    def description(self) -> dict[str, Any]:
        """The machine in dpdispatcher's own words; secrets are added only when it is reached."""
        profile: dict[str, Any] = {}
        if self.settings.context == "ssh":
            key = self.settings.key_file
            profile = {
                "hostname": self.settings.host,
                "username": self.settings.user or getpass.getuser(),
                "port": self.settings.port,
                **({"key_filename": str(Path(key).expanduser())} if key else {}),
            }
        return {
            "batch_type": self.scheduler.batch_type,
            "context_type": CONTEXTS[self.settings.context],
            "local_root": str(self.run),
            "remote_root": self.root,
            "remote_profile": profile,
        }

    def machine(self) -> Any:
        """The machine of dpdispatcher; the connection is made when it is first asked for.

        Raises:
            MissingError: without dpdispatcher.
            SettingError: if the host cannot be reached.
        """
        if self._machine is None:
            description = self.description()
            passphrase = os.environ.get(PASSPHRASE_VARIABLE)
            if self.settings.context == "ssh":
                description["create_remote_root"] = True
                if passphrase:
                    description["remote_profile"]["passphrase"] = passphrase
            dispatcher = _dispatcher()
            try:
                self._machine = dispatcher.Machine.load_from_dict(description)
            except (OSError, RuntimeError, dispatcher.SSH_ERROR) as error:
                where = f"{self.settings.user or getpass.getuser()}@{self.settings.host}:{self.settings.port}"
                raise SettingError(
                    f"cannot be reached by ssh as {where}: {error}",
                    where="resources.cluster.host",
                    hint=f"try: ssh -p {self.settings.port} {where.rpartition(':')[0]}",
                ) from error
        return self._machine

    def shell(self, command: str) -> tuple[int, str, str]:
        """Run a command line where jobs are submitted (see ``schedulers.scheduler.Shell``)."""
        context = self._bind(self._bound or FOLDER)
        code, _, output, error = context.block_call(command)
        return code, _text(output), _text(error)

    def jobs(self, ids: Sequence[str] = ()) -> list[QueuedJob] | None:
        """See ``Scheduler.jobs``."""
        return self.scheduler.jobs(self.shell, ids)

    def cancel(self, ids: Sequence[str]) -> None:
        """Ask jobs to end; one that has ended meanwhile is no error."""
        if ids:
            self.shell(self.scheduler.cancel_command(ids))

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
        context = self._bind(submission.place)
        script, commands = self.script(submission, name, command, resources)
        context.write_file(f"{name}.sh.run", commands)
        context.write_file(f"{name}.sh", script)
        line = self.scheduler.submit_command(f"{name}.sh")
        code, output, error = self.shell(f"cd {shlex.quote(context.remote_root)} && {line}")
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
        machine, job = self._job(submission, name, command, resources)
        shape = _shape(name, resources)
        head, _, rest = machine.gen_script(job).lstrip("\n").partition("REMOTE_ROOT=")
        return f"{self.scheduler.with_memory(head, shape)}REMOTE_ROOT={rest}", machine.gen_script_command(job)

    def _job(self, submission: Submission, name: str, command: str, resources: Resources) -> tuple[Any, Any]:
        """The machine of dpdispatcher, and its job with one task, which is our command."""
        assert resources.job is not None
        request, dispatcher = resources.job, _dispatcher()
        self._bind(submission.place)
        gpus = math.ceil(resources.gpus / request.nodes)
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
        task = dispatcher.Task(
            command=command, task_work_path=".", outlog=f"{name}.log", errlog=f"{name}.log", task_name=name
        )
        job = dispatcher.Job(job_task_list=[task], resources=asked, machine=self.machine())
        job.script_file_name = f"{name}.sh"
        return self.machine(), job

    def _bind(self, place: str) -> Any:
        """The context of dpdispatcher, at work in a folder of the run."""
        context = self.machine().context
        if self._bound != place:
            dispatcher = _dispatcher()
            none = dispatcher.Resources(1, 1, 0, "", 1)
            empty = dispatcher.Submission(place, resources=none, task_list=[])
            empty.submission_hash = place
            context.remote_root = ""  # else it would move the folder of the last one
            (self.run / place).mkdir(parents=True, exist_ok=True)
            context.bind_submission(empty)
            self._bound = place
        return context


class _Dispatcher:
    """dpdispatcher's classes, imported when they are first needed: paramiko alone takes half a second."""

    def __init__(self) -> None:
        log = logging.getLogger("dpdispatcher")  # it would write into the present folder, and to standard output
        log.disabled = True
        try:
            from dpdispatcher import Machine, Resources, Submission, Task
            from dpdispatcher.submission import Job
            from paramiko import SSHException
        except ImportError as error:
            raise MissingError("jobs are submitted through dpdispatcher, which is missing", hint=INSTALL) from error
        self.Machine, self.Resources, self.Submission, self.Task, self.Job = Machine, Resources, Submission, Task, Job
        self.SSH_ERROR = SSHException


_loaded: list[_Dispatcher] = []


def _dispatcher() -> Any:
    if not _loaded:
        _loaded.append(_Dispatcher())
    return _loaded[0]


def _shape(name: str, resources: Resources) -> JobShape:
    assert resources.job is not None
    nodes = resources.job.nodes
    memory = math.ceil(resources.memory_GB * 1000.0 / nodes)
    return JobShape(name, resources.cores // nodes, memory, resources.walltime_s)


def _text(stream: Any) -> str:
    content = stream.read()
    return content.decode("utf-8", errors="replace") if isinstance(content, bytes) else str(content)


def _remote_name(run: Path) -> str:
    """How a run's folder is called on another machine: two runs of one name must not meet there."""
    path = run / FOLDER / "remote.json"
    content = read_json(path)
    if not isinstance(content, dict):
        path.parent.mkdir(exist_ok=True)
        content = {"name": f"{run.name}-{uuid.uuid4().hex[:8]}"}
        write_json(path, content)
    return str(content["name"])
