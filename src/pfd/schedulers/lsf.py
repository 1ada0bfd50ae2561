"""IBM Spectrum LSF: bsub, bjobs, bkill, bqueues."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence

from pfd.schedulers.scheduler import End, JobShape, Partition, QueuedJob, Scheduler, Shell

_ENDS: tuple[tuple[str, End], ...] = (
    ("TERM_RUNLIMIT", "time"),
    ("TERM_MEMLIMIT", "memory"),
    ("TERM_OWNER", "cancelled"),
    ("TERM_ADMIN", "cancelled"),
    ("TERM_PREEMPT", "preempted"),
)


class LSF(Scheduler):
    """LSF from 10.1 on (``bjobs -o``)."""

    name = "lsf"
    batch_type = "LSF"
    programs = ("bsub", "bjobs", "bkill")
    job_variable = "LSB_JOBID"
    directive = "#BSUB"
    busy = ("LSF is down", "Pending job threshold reached", "User's job slot limit")

    def submit_command(self, script: str) -> str:
        """See ``Scheduler``."""
        return f"bsub < {shlex.quote(script)}"

    def submitted_id(self, output: str) -> str:
        """See ``Scheduler``."""
        found = re.search(r"Job <(\d+)>", output)
        if found is None:
            raise ValueError(output)
        return found[1]

    def jobs(self, shell: Shell, ids: Sequence[str] = ()) -> list[QueuedJob] | None:
        """See ``Scheduler``; jobs that ended are listed for about an hour."""
        chosen = f"-a -noheader -o \"jobid stat exit_reason job_name delimiter='|'\" {' '.join(ids)}"
        code, output, error = shell(f"bjobs {chosen}".strip())
        if code != 0 and not output.strip():
            return [] if re.search(r"not found|No .*job found", error) else None
        jobs = []
        for line in output.splitlines():
            fields = line.strip().split("|", 3)
            if len(fields) == 4:
                jobs.append(_job(*fields))
        return jobs

    def cancel_command(self, ids: Sequence[str]) -> str:
        """See ``Scheduler``."""
        return f"bkill {' '.join(ids)}"

    def lines(self, shape: JobShape) -> list[str]:
        """See ``Scheduler``; output goes where dpdispatcher sends it."""
        time = [] if shape.walltime_s is None else [f"#BSUB -W {math.ceil(shape.walltime_s / 60.0)}"]
        return [*time, f'#BSUB -R "rusage[mem={shape.memory_MB}MB]"', "#BSUB -rn"]

    def output_of(self, name: str, job_id: str) -> str:
        """See ``Scheduler``."""
        return f"{job_id}.out"

    def gpu_options(self, gpus: int) -> dict[str, object]:
        """See ``Scheduler``."""
        return {"gpu_usage": gpus > 0, "gpu_new_syntax": True}

    def partitions(self, shell: Shell) -> list[Partition] | None:
        """See ``Scheduler``: names only."""
        code, output, _ = shell("bqueues -w")
        if code != 0:
            return None
        return [Partition(line.split()[0]) for line in output.splitlines()[1:] if line.strip()]


def _job(job_id: str, state: str, reason: str, name: str) -> QueuedJob:
    if state in {"PEND", "WAIT", "PSUSP", "PROV"}:
        return QueuedJob(job_id, name, "waiting")
    if state in {"RUN", "USUSP", "SSUSP", "UNKWN"}:
        return QueuedJob(job_id, name, "running")
    return QueuedJob(job_id, name, "ended", next((end for word, end in _ENDS if word in reason), ""))
