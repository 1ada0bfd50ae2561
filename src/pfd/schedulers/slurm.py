"""Slurm: sbatch, squeue, scancel, sinfo."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from pfd.schedulers.scheduler import End, JobShape, Partition, QueuedJob, Scheduler, Shell, clock_seconds

_WAITING = {"PENDING", "CONFIGURING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING"}
_ENDS: dict[str, End] = {
    "TIMEOUT": "time",
    "DEADLINE": "time",
    "OUT_OF_MEMORY": "memory",
    "NODE_FAIL": "node",
    "BOOT_FAIL": "node",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "PREEMPTED": "preempted",
}


class Slurm(Scheduler):
    """Slurm, by its command-line programs; works without accounting."""

    name = "slurm"
    batch_type = "Slurm"
    programs = ("sbatch", "squeue", "scancel")
    job_variable = "SLURM_JOB_ID"
    directive = "#SBATCH"
    busy = (
        "Socket timed out",
        "Unable to contact slurm controller",
        "Could not establish a configuration source",
        "temporarily unable to accept job",
        "Resource temporarily unavailable",
        "AssocMaxSubmitJobLimit",
        "QOSMaxSubmitJobPerUserLimit",
        "Job violates accounting/QOS policy (job submit limit",
    )

    def submit_command(self, script: str) -> str:
        """See ``Scheduler``."""
        return f"sbatch --parsable {shlex.quote(script)}"

    def submitted_id(self, output: str) -> str:
        """See ``Scheduler``."""
        found = re.search(r"^(\d+)(;\S+)?$", output.strip(), re.MULTILINE)
        if found is None:
            raise ValueError(output)
        return found[1]

    def jobs(self, shell: Shell, ids: Sequence[str] = ()) -> list[QueuedJob] | None:
        """See ``Scheduler``; jobs that ended are listed for some minutes."""
        whose = f"-j {','.join(ids)}" if ids else '-u "$(id -un)"'
        code, output, error = shell(f"squeue -h -t all -o '%i|%T|%j' {whose}")
        if code != 0:
            return [] if "Invalid job id" in error else None
        jobs = []
        for line in output.splitlines():
            fields = line.strip().split("|", 2)
            if len(fields) == 3:
                jobs.append(_job(*fields))
        return jobs

    def cancel_command(self, ids: Sequence[str]) -> str:
        """See ``Scheduler``."""
        return f"scancel {' '.join(ids)}"

    def lines(self, shape: JobShape) -> list[str]:
        """See ``Scheduler``."""
        time = [] if shape.walltime_s is None else [f"#SBATCH --time={shape.clock()}"]
        return [
            *time,
            f"#SBATCH --mem={shape.memory_MB}M",
            f"#SBATCH --output={shape.name}.out",
            "#SBATCH --no-requeue",
        ]

    def partitions(self, shell: Shell) -> list[Partition] | None:
        """See ``Scheduler``; from sinfo, one line for each node."""
        code, output, _ = shell("sinfo -h -N -o '%R|%l|%c|%G'")
        if code != 0:
            return None
        found: dict[str, Partition] = {}
        for line in output.splitlines():
            fields = line.strip().split("|")
            if len(fields) != 4:
                continue
            name, limit, cores, gres = fields
            known = found.get(name, Partition(name, 0, 0))
            found[name] = Partition(
                name,
                max(known.cores or 0, int(re.sub(r"\D", "", cores) or 0)),
                max(known.gpus or 0, _gpus(gres)),
                clock_seconds(limit),
            )
        return list(found.values())


def _job(job_id: str, state: str, name: str) -> QueuedJob:
    word = state.split(maxsplit=1)[0].rstrip("+")
    if word in _WAITING:
        return QueuedJob(job_id, name, "waiting")
    if word in _RUNNING:
        return QueuedJob(job_id, name, "running")
    return QueuedJob(job_id, name, "ended", _ENDS.get(word, ""))


def _gpus(gres: str) -> int:
    """GPUs in Slurm's list of generic resources, such as ``gpu:a100:4(S:0-1),fs:1``."""
    return sum(int(count) for count in re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)", gres))
