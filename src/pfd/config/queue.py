"""What an input asks of a cluster: keys that have an effect, a queue that there is, and nodes that are large enough."""

from __future__ import annotations

import math
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pfd.config.reading import ResolvedInput, at
from pfd.config.resources import STEPS, StepResources
from pfd.errors import MissingError, SettingError
from pfd.schedulers.connection import Connection
from pfd.schedulers.known import SCHEDULERS, shell_here
from pfd.schedulers.scheduler import Partition, Shell
from pfd.schedulers.settings import JOB_KEYS, ClusterSettings
from pfd.units import seconds
from pfd.wording import counted


def idle_queue_keys(resolved: ResolvedInput) -> Iterator[tuple[str, str]]:
    """Key and reason of each option about queues that is without effect."""
    resources = resolved.input.resources
    for step in STEPS:
        section = resources.of(step)
        if section.engine == "local":
            for key in section.moved(*JOB_KEYS):
                yield f"resources.{step}.{key}", "it is for engine: hpc, and the step's engine is local"
    if resources.cluster is not None and not resources.on_cluster():
        yield "resources.cluster", "no step has engine: hpc"


def check_queues(resolved: ResolvedInput) -> None:
    """Refuse steps that the cluster could never run; it is asked, and nothing is submitted.

    Raises:
        SettingError, MissingError: naming the key.
    """
    resources = resolved.input.resources
    steps = resources.on_cluster()
    if not steps:
        return
    cluster = resources.cluster
    if cluster is None:
        raise SettingError(
            f"the engine is hpc, and no cluster is named: {', '.join(steps)}",
            where=resolved.place("resources.cluster"),
            hint="write resources: {cluster: {scheduler: slurm}}",
        )
    if cluster.scheduler == "bohrium":
        raise SettingError(
            "jobs on Bohrium are described, but not yet run by this engine",
            where=resolved.place("resources.cluster.scheduler"),
            hint="write engine: local, or use a cluster",
        )
    for step in steps:
        _check_alone(resolved, step, cluster)
    with at(resolved, "resources.cluster"), tempfile.TemporaryDirectory(prefix="pfd-check-") as folder:
        connection = Connection(cluster, Path(folder), cluster.remote_folder or folder)
        _ = connection.machine
        shell = connection.shell
        _require_programs(shell, cluster)
        partitions = SCHEDULERS[cluster.scheduler].partitions(shell)
        if partitions is None and SCHEDULERS[cluster.scheduler].jobs(shell) is None:
            what = f"{cluster.scheduler} does not answer: neither its queues nor its jobs can be asked for"
            raise MissingError(
                what, hint="look whether its commands work here (sinfo, qstat, bqueues); submit when they do"
            )
    for step in steps if partitions is not None else ():
        assert partitions is not None
        _check_against(resolved, step, partitions)


@contextmanager
def programs_of_labels(resolved: ResolvedInput) -> Iterator[None]:
    """Find programs where jobs that label would: after their modules and their shell line, on this same file system.

    Raises:
        SettingError: if these fail here, with the shell's words.
    """
    section, cluster = resolved.input.resources.label, resolved.input.resources.cluster
    lines = [f"module load {shlex.quote(module)}" for module in section.modules]
    lines += [section.before] if section.before else []
    if not lines or cluster is None or cluster.context != "shared":
        yield
        return
    command = f"{' && '.join(lines)} && printf '\\n%s' \"$PATH\""
    code, output, error = shell_here(f"bash -lc {shlex.quote(command)}")
    if code != 0:
        last = (error.strip() or f"exit code {code}").splitlines()[-1]
        key = "modules" if section.modules else "before"
        raise SettingError(
            f"fails here: {last}",
            where=resolved.place(f"resources.label.{key}"),
            hint=f"in a shell: {' && '.join(lines)}",
        )
    before = os.environ["PATH"]
    os.environ["PATH"] = output.splitlines()[-1]
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _check_alone(resolved: ResolvedInput, step: str, cluster: ClusterSettings) -> None:
    """What needs no cluster to be seen."""
    section, scheduler = resolved.input.resources.of(step), SCHEDULERS[cluster.scheduler]
    for key in ("cores", "gpus"):
        if getattr(section, key) % section.nodes:
            raise SettingError(
                f"{getattr(section, key)} {key} cannot be shared evenly among {section.nodes} nodes",
                where=resolved.place(f"resources.{step}.{key}"),
                hint=f"write a multiple of {section.nodes}; {key} are those of a whole task",
            )
    for index, line in enumerate(section.directives):
        if not line.startswith(scheduler.directive):
            raise SettingError(
                f"{line!r} is no line for {cluster.scheduler}",
                where=resolved.place(f"resources.{step}.directives.{index}"),
                hint=f"begin it with {scheduler.directive}",
            )
    if cluster.scheduler == "sge" and (section.nodes > 1 or section.gpus):
        key = "nodes" if section.nodes > 1 else "gpus"
        raise SettingError(
            f"{key}: Grid Engine has no common word for it",
            where=resolved.place(f"resources.{step}.{key}"),
            hint="leave it out, and say it as your cluster wants it in directives, such as '#$ -l gpu=1'",
        )


def _require_programs(shell: Shell, cluster: ClusterSettings) -> None:
    place = "on this machine" if cluster.context == "shared" else f"on {cluster.host}"
    for program in SCHEDULERS[cluster.scheduler].programs:
        if shell(f"command -v {program}")[0] != 0:
            hint = "correct the scheduler, or submit from a machine that has it (context: ssh reaches one)"
            raise MissingError(f"there is no program {program!r} {place}", hint=hint)


def _check_against(resolved: ResolvedInput, step: str, partitions: list[Partition]) -> None:
    """A step against what its queue can give."""
    section = resolved.input.resources.of(step)
    if section.queue is None:
        return
    chosen = [each for each in partitions if each.name == section.queue]
    if not chosen:
        names = ", ".join(sorted(each.name for each in partitions))
        raise SettingError(
            f"there is no queue {section.queue!r}",
            where=resolved.place(f"resources.{step}.queue"),
            hint=f"there are {names}" if names else "the cluster has none at all",
        )
    for key, wanted, there, unit in _limits(section, chosen[0]):
        if there is not None and wanted > there:
            raise SettingError(
                f"{unit(wanted)} on a node, and the largest of the queue {section.queue!r} has {unit(there)}"
                if key != "walltime"
                else f"{section.walltime} is more than the {unit(there)} that the queue {section.queue!r} allows",
                where=resolved.place(f"resources.{step}.{key}"),
                hint="ask for less, for more nodes, or for another queue" if key != "walltime" else "ask for less",
            )


def _limits(
    section: StepResources, queue: Partition
) -> Iterator[tuple[str, float, float | None, Callable[[float], str]]]:
    yield "cores", section.cores // section.nodes, queue.cores, lambda number: counted(int(number), "core")
    yield "gpus", section.gpus // section.nodes, queue.gpus, lambda number: counted(int(number), "GPU")
    wall = 0.0 if section.walltime is None else seconds(section.walltime)
    yield "walltime", wall, queue.walltime_s, lambda number: f"{math.floor(number / 60.0)} minutes"
