"""What an input says of clusters: which one there is, and what the jobs of a step ask of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from pfd.settings import Settings


class JobRequest(Settings):
    """What the jobs of a step ask for, besides the cores, memory, GPUs and time of its tasks."""

    queue: str | None = None
    """Queue or partition; default the cluster's own."""
    nodes: int = Field(default=1, ge=1)
    """Nodes of one job, among which ``cores`` and ``gpus`` are shared; more than one is for programs run by MPI."""
    modules: tuple[str, ...] = ()
    """Modules to load before the tasks, in this order, such as ``[quantum-espresso/7.3]``."""
    before: str | None = None
    """Shell line that is run before the tasks, such as ``export OMP_PROC_BIND=close``."""
    tasks_per_job: int = Field(default=1, ge=1)
    """Tasks that one job runs one after the other; its ``walltime`` is for all of them. Default 1: then no task waits
    for another. Raise it where tasks take seconds, since each job costs a start of Python and the scheduler's patience;
    a task that ends its job costs the others of it no attempt."""
    max_jobs: int | None = Field(default=None, ge=1)
    """Most jobs of the step in the queue at once, waiting ones included; default as many as there are."""
    directives: tuple[str, ...] = ()
    """Further lines for the scheduler, as they stand in a job script: ``["#SBATCH --account=abc"]``. They come after
    pfd's own and win over them."""

    @field_validator("queue", "before")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or "\n" in value):
            raise ValueError(f"{value!r} is no line; leave it out where nothing is to be said")
        return value

    @field_validator("modules", "directives")
    @classmethod
    def _lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not each.strip() or "\n" in each:
                raise ValueError(f"{each!r} is no line; write one entry for each")
        return value


JOB_KEYS = tuple(JobRequest.model_fields)


class ClusterSettings(Settings):
    """The cluster that steps with ``engine: hpc`` run on. No password stands here: keys of ssh, and the environment."""

    scheduler: Literal["slurm", "pbs", "torque", "lsf", "sge", "bohrium"]
    """What submits jobs there. ``pbs`` is OpenPBS and PBS Professional."""
    context: Literal["shared", "ssh", "bohrium"] = "shared"
    """How files get there. ``shared``: this machine submits, and its file system is that of the nodes. ``ssh``: inputs
    are copied to another machine that submits, and results come back."""
    host: str | None = None
    """ssh: the machine that submits."""
    user: str | None = None
    """ssh: the user there; default the one here."""
    port: int = Field(default=22, ge=1, le=65535)
    """ssh: its port."""
    key_file: str | None = None
    """ssh: file of the private key; default those in ~/.ssh. A passphrase is read from the environment variable
    PFD_SSH_PASSPHRASE."""
    remote_folder: str | None = None
    """ssh: folder there, by its whole path, in which runs are kept; it must be seen by the nodes."""
    python: str = "python3"
    """ssh: interpreter there that has pfd's dependencies, for tasks of families that ``environments`` does not name.
    This pfd itself is copied there."""
    parallel_environment: str = "smp"
    """sge: name of the parallel environment in which a job's cores are counted."""
    project: int | None = None
    """bohrium: number of the project; the key of access is read from the environment variable BOHRIUM_ACCESS_KEY."""
    image: str | None = None
    """bohrium: the container's image."""
    machine_type: str | None = None
    """bohrium: the machine, such as ``c8_m16_cpu``."""

    @model_validator(mode="after")
    def _consistent(self) -> ClusterSettings:
        if (self.scheduler == "bohrium") != (self.context == "bohrium"):
            raise ValueError("scheduler: bohrium and context: bohrium go together")
        groups = {
            "ssh": ("host", "user", "port", "key_file", "remote_folder", "python"),
            "bohrium": ("project", "image", "machine_type"),
        }
        for context, names in groups.items():
            idle = self.moved(*names) if self.context != context else []
            if idle:
                raise ValueError(
                    f"{', '.join(idle)} without effect: the context is {self.context}; remove it, or write context: "
                    f"{context}"
                )
        needed = {"ssh": ("host", "remote_folder"), "bohrium": ("project", "image", "machine_type")}
        missing = [name for name in needed.get(self.context, ()) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"context: {self.context} needs {', '.join(missing)}")
        if self.remote_folder is not None and not self.remote_folder.startswith("/"):
            raise ValueError(f"remote_folder {self.remote_folder!r} is relative; write the whole path")
        if self.scheduler != "sge" and self.moved("parallel_environment"):
            raise ValueError(f"parallel_environment without effect: the scheduler is {self.scheduler}; remove it")
        return self
