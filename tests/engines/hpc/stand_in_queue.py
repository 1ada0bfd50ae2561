"""Stand-ins for qsub, qstat, qdel, bsub, bjobs, bkill: jobs are processes; each answers in its scheduler's words.

Linked under those names; state lies in the folder that QUEUE_STATE names: JOB.name, JOB.pid, JOB.code.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["QUEUE_STATE"])


def submit(script: str, variable: str, cwd: str) -> str:
    job = str(100 + len(list(STATE.glob("*.name"))))
    name = re.search(r"^#(?:PBS -N|BSUB -J|\$ -N) (\S+)", script, re.MULTILINE)
    (STATE / f"{job}.name").write_text(name[1] if name else "STDIN")
    (STATE / f"{job}.script").write_text(script)
    line = f"bash {STATE}/{job}.script > {STATE}/{job}.out 2>&1; echo $? > {STATE}/{job}.code"
    process = subprocess.Popen(
        ["bash", "-c", line], cwd=cwd, env=os.environ | {variable: job}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (STATE / f"{job}.pid").write_text(str(process.pid))
    return job


def jobs(wanted: list[str]) -> list[tuple[str, str, str]]:
    """Id, name, exit code (empty while it runs)."""
    found = []
    for path in sorted(STATE.glob("*.name")):
        if not wanted or path.stem in wanted:
            code = STATE / f"{path.stem}.code"
            found.append((path.stem, path.read_text(), code.read_text().strip() if code.exists() else ""))
    return found


def main() -> int:  # noqa: C901
    program, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if program == "qsub":
        script = Path(arguments[-1]).read_text()
        if "-q nowhere" in script:
            sys.stderr.write("qsub: Unknown queue\n")
            return 170
        print(f"{submit(script, 'PBS_JOBID', str(Path.cwd()))}.server")
    elif program == "bsub":
        script = sys.stdin.read()
        if "-q nowhere" in script:
            sys.stderr.write("nowhere: No such queue. Job not submitted.\n")
            return 255
        print(f"Job <{submit(script, 'LSB_JOBID', str(Path.cwd()))}> is submitted to queue <normal>.")
    elif program == "qstat" and "-Q" in arguments:
        print("Queue: workq\n    resources_max.walltime = 24:00:00\n")
    elif program == "qstat":
        for job, name, code in jobs([each.partition(".")[0] for each in arguments if each[0].isdigit()]):
            print(f"Job Id: {job}.server\n    Job_Name = {name}\n    job_state = {'F' if code else 'R'}")
            print(f"    Exit_status = {code}\n" if code else "")
    elif program == "bjobs":
        for job, name, code in jobs([each for each in arguments if each.isdigit()]):
            state = "RUN" if not code else "DONE" if code == "0" else "EXIT"
            print(f"{job}|{state}|-|{name}")
    elif program in {"qdel", "bkill"}:
        for job in arguments:
            os.killpg(int((STATE / f"{job.partition('.')[0]}.pid").read_text()), 15)
    return 0


sys.exit(main())
