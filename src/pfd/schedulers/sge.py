"""Sun (Open, Univa, Altair) Grid Engine: qsub, qstat, qdel, qconf."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence

from pfd.schedulers.scheduler import JobShape, Partition, QueuedJob, Scheduler, Shell


class SGE(Scheduler):
    """Grid Engine; jobs that have ended are not listed, and why they ended is not told."""

    name = "sge"
    batch_type = "SGE"
    programs = ("qsub", "qstat", "qdel")
    job_variable = "JOB_ID"
    directive = "#$"
    busy = ("try again later", "unable to contact qmaster")

    def submit_command(self, script: str) -> str:
        """See ``Scheduler``."""
        return f"qsub {shlex.quote('./' + script)}"

    def submitted_id(self, output: str) -> str:
        """See ``Scheduler``."""
        found = re.search(r"Your job (\d+)", output)
        if found is None:
            raise ValueError(output)
        return found[1]

    def jobs(self, shell: Shell, ids: Sequence[str] = ()) -> list[QueuedJob] | None:
        """See ``Scheduler``."""
        code, output, _ = shell('qstat -xml -u "$(id -un)"')
        if code != 0:
            return None
        jobs = []
        for block in re.findall(r"<job_list.*?</job_list>", output, re.DOTALL):
            job_id, name, state = (_tag(block, tag) for tag in ("JB_job_number", "JB_name", "state"))
            if not ids or job_id in ids:
                jobs.append(QueuedJob(job_id, name, "waiting" if "w" in state or state == "t" else "running"))
        return jobs

    def cancel_command(self, ids: Sequence[str]) -> str:
        """See ``Scheduler``."""
        return f"qdel {' '.join(ids)}"

    def lines(self, shape: JobShape) -> list[str]:
        """See ``Scheduler``; Grid Engine's memory is that of one slot."""
        time = [] if shape.walltime_s is None else [f"#$ -l h_rt={shape.clock()}"]
        memory = math.ceil(shape.memory_MB / shape.cores)
        return [*time, f"#$ -l h_vmem={memory}M", "#$ -j y", f"#$ -o {shape.name}.out", "#$ -r n"]

    def partitions(self, shell: Shell) -> list[Partition] | None:
        """See ``Scheduler``: names only."""
        code, output, _ = shell("qconf -sql")
        return None if code != 0 else [Partition(name) for name in output.split()]


def _tag(block: str, tag: str) -> str:
    found = re.search(rf"<{tag}>([^<]*)</{tag}>", block)
    return found[1].strip() if found else ""
