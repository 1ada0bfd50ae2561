"""What grouping saves on Slurm: the same toy tasks in groups and as single jobs, one after the other in one run.

    python benchmarks/hpc.py --tasks 200 --group 20 --out hpc.json

Uses the Slurm whose partition is named; without ``--queue`` it starts one of its own on this machine, as the tests do
(root, slurm-wlm and munge; from the project's root).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ase.build import bulk

from pfd.engines.hpc.cluster import Cluster
from pfd.engines.hpc.engine import HpcEngine
from pfd.engines.hpc.shared_files import SharedFiles
from pfd.engines.hpc.submission import Submission
from pfd.environments.launch import HERE
from pfd.frames import with_origin, write_frames
from pfd.schedulers.settings import ClusterSettings, JobRequest
from pfd.tasks.folder import Artifact, Resources, TaskFolder, TaskSpec


def measure(run: Path, tasks: int, group: int, queue: str) -> dict[str, Any]:
    """Wall time of so many toy labels in jobs of ``group`` tasks, s, and what of it the tasks themselves took.

    Args:
        run: an empty folder.
        tasks: how many.
        group: tasks in a job.
        queue: partition.
    """
    run.mkdir()
    request = JobRequest(queue=queue, tasks_per_job=group)
    folders = []
    for number in range(tasks):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=number)
        frame = run / f"{number}.extxyz"
        write_frames(frame, [with_origin(atoms)])
        resources = Resources(memory_GB=0.3, job=request)
        spec = TaskSpec("label", {"settings": {"method": "toy"}}, {"frame": Artifact.of(frame)}, resources)
        folders.append(TaskFolder.create(run / "f" / "iter-000" / "label", number, spec))
    engine = HpcEngine(run, Cluster(ClusterSettings(scheduler="slurm"), run), SharedFiles(), 3, lambda _: HERE)
    began = time.perf_counter()
    lost = engine.run(folders, lambda _: None)
    seconds = time.perf_counter() - began
    jobs = sum(len(Submission(run, path).records()) for path in (run / "submissions").glob("0*"))
    results = [result for folder in folders if (result := folder.result()) is not None]
    return {
        "tasks": tasks,
        "jobs": jobs,
        "lost": len(lost),
        "seconds": round(seconds, 1),
        "seconds_in_tasks": round(sum(result.seconds for result in results), 1),
        "seconds_of_imports": round(sum(result.import_seconds for result in results), 1),
    }


def main() -> None:
    """Measure both, and say by how much groups are faster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--group", type=int, default=20)
    parser.add_argument("--queue", default="")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pfd-hpc-")))
        if not given.queue:
            sys.path.insert(0, str(Path(__file__).parents[1]))
            from tests.engines.slurm_cluster import slurm_cluster

            (folder / "slurm").mkdir()
            stack.enter_context(slurm_cluster(folder / "slurm"))
        queue = given.queue or "cpu"
        grouped = measure(folder / "grouped", given.tasks, given.group, queue)
        single = measure(folder / "single", given.tasks, 1, queue)
    found = {"grouped": grouped, "single": single, "ratio": round(single["seconds"] / grouped["seconds"], 2)}
    text = json.dumps(found, indent=1)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
