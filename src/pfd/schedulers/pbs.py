"""PBS (OpenPBS, PBS Professional) and Torque: qsub, qstat, qdel."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import ClassVar

from pfd.schedulers.scheduler import End, JobShape, Partition, QueuedJob, Scheduler, Shell, clock_seconds


class PBS(Scheduler):
    """OpenPBS and PBS Professional."""

    name = "pbs"
    batch_type = "PBS"
    programs = ("qsub", "qstat", "qdel")
    job_variable = "PBS_JOBID"
    directive = "#PBS"
    busy = ("would exceed", "Connection refused", "Connection timed out", "End of File", "Server is overloaded")
    history = "-x "
    """Lists jobs that have ended too."""
    ends: ClassVar[dict[int, End]] = {-29: "time", -28: "time", -27: "memory", -26: "memory"}
    """Exit codes by which the server tells why it ended a job."""

    def submit_command(self, script: str) -> str:
        """See ``Scheduler``."""
        return f"qsub {shlex.quote(script)}"

    def submitted_id(self, output: str) -> str:
        """See ``Scheduler``."""
        words = output.split()
        if not words or not words[-1][0].isdigit():
            raise ValueError(output)
        return words[-1]

    def jobs(self, shell: Shell, ids: Sequence[str] = ()) -> list[QueuedJob] | None:
        """See ``Scheduler``; of jobs that have ended, those in the server's history."""
        chosen = f"{self.history}{' '.join(shlex.quote(each) for each in ids)}" if ids else ""
        code, output, error = shell(f"qstat -f {chosen}".strip())
        unknown = "Unknown Job" in error or "has finished" in error
        if code != 0 and not unknown and "Job Id:" not in output:
            return None
        return [_job(block, self.ends) for block in re.split(r"^Job Id: ", output, flags=re.MULTILINE)[1:]]

    def cancel_command(self, ids: Sequence[str]) -> str:
        """See ``Scheduler``."""
        return f"qdel {' '.join(shlex.quote(each) for each in ids)}"

    def lines(self, shape: JobShape) -> list[str]:
        """See ``Scheduler``; memory stands in the line that dpdispatcher writes, see ``with_memory``."""
        time = [] if shape.walltime_s is None else [f"#PBS -l walltime={shape.clock()}"]
        return [*time, f"#PBS -o {shape.name}.out", "#PBS -r n"]

    def with_memory(self, head: str, shape: JobShape) -> str:
        """See ``Scheduler``: PBS refuses ``-l mem`` beside ``-l select``."""
        cores = f":ncpus={shape.cores}"
        return head.replace(cores, f"{cores}:mem={shape.memory_MB}mb", 1)

    def partitions(self, shell: Shell) -> list[Partition] | None:
        """See ``Scheduler``; from ``qstat -Q -f``, limits where queues have some."""
        code, output, _ = shell("qstat -Q -f")
        if code != 0:
            return None
        found = []
        for block in re.split(r"^Queue: ", output, flags=re.MULTILINE)[1:]:
            limit = _value(block, r"resources_max\.walltime")
            cores = _value(block, r"resources_max\.ncpus")
            found.append(
                Partition(
                    block.split()[0],
                    cores=int(cores) if cores.isdigit() else None,
                    walltime_s=clock_seconds(limit) if limit else None,
                )
            )
        return found


class Torque(PBS):
    """Torque, which counts processors of nodes and keeps no history."""

    name = "torque"
    batch_type = "Torque"
    history = ""
    ends: ClassVar[dict[int, End]] = {-11: "time", -10: "memory"}

    def lines(self, shape: JobShape) -> list[str]:
        """See ``Scheduler``."""
        return [*super().lines(shape), f"#PBS -l mem={shape.memory_MB}mb"]

    def with_memory(self, head: str, shape: JobShape) -> str:
        """See ``Scheduler``: here ``lines`` says it."""
        return head


def _value(block: str, key: str) -> str:
    found = re.search(rf"^\s+{key} = (.*)$", block, re.MULTILINE)
    return found[1].strip() if found else ""


def _job(block: str, ends: dict[int, End]) -> QueuedJob:
    job_id, name, state = block.split(maxsplit=1)[0], _value(block, "Job_Name"), _value(block, "job_state")
    if state in {"Q", "H", "W", "T", "S", "U", "M"}:
        return QueuedJob(job_id, name, "waiting")
    if state in {"R", "E", "B"}:
        return QueuedJob(job_id, name, "running")
    code = _value(block, "Exit_status")
    return QueuedJob(job_id, name, "ended", ends.get(int(code), "") if re.fullmatch(r"-?\d+", code) else "")
