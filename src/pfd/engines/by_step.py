"""The engine of a run: each task goes where its step's resources send it, to this machine or to the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pfd.config.environment import launches
from pfd.config.reading import ResolvedInput
from pfd.engines.engine import Engine, Observer
from pfd.tasks.folder import TaskFolder


class ByStepEngine:
    """Runs tasks that ask for a job on the cluster, all others here.

    Args:
        local, hpc: the two engines.
    """

    def __init__(self, local: Engine, hpc: Engine) -> None:
        self._local, self._hpc = local, hpc

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """See ``Engine.run``."""
        there: list[TaskFolder] = []
        here: list[TaskFolder] = []
        for folder in folders:
            (here if folder.task()["resources"].get("job") is None else there).append(folder)
        lost = self._hpc.run(there, observe) if there else {}
        return lost | (self._local.run(here, observe) if here else {})


def engine_of(resolved: ResolvedInput, run: Path) -> Engine:
    """The engine that an input asks for.

    Args:
        resolved: the input.
        run: the run folder.
    """
    from pfd.engines.local import LocalEngine

    resources = resolved.input.resources
    launch = launches(resolved)
    local = LocalEngine(resources.cores, resources.memory_GB, resources.max_attempts, launch, resources.gpus)
    if resources.cluster is None or not resources.on_cluster():
        return local
    from pfd.engines.hpc.cluster import Cluster
    from pfd.engines.hpc.engine import HpcEngine
    from pfd.engines.hpc.shared_files import Files, SharedFiles
    from pfd.engines.hpc.ssh_files import SshFiles

    cluster = Cluster(resources.cluster, run)
    files: Files = SharedFiles()
    if resources.cluster.context == "ssh":
        there, told, python = SshFiles(cluster), resolved.input.environments, resources.cluster.python
        files, launch = there, lambda name: there.launch(name, told.get(name), python)
    return ByStepEngine(local, HpcEngine(run, cluster, files, resources.max_attempts, launch))
