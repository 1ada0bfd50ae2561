"""The same small toy run by the local engine and as the graph in dflow's debug mode: what each adds to the tasks' work.

CPU seconds are those of all processes; on a machine that others use too, wall times say less. The work of the tasks
themselves, as the faster run's results tell it (wall seconds on one core), is taken off both.

    pfd env create argo; python benchmarks/argo.py --out argo.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from pfd.tasks.steps import STEPS
from pfd.workflow.run_folder import task_folders

STRUCTURE = Path(__file__).parents[1] / "examples" / "toy" / "Cu.cif"
CONTENT = {
    "name": "toy",
    "seed": 3,
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Cu.cif", "supercell": [2, 2, 2], "perturb": {"count": 1, "displacement_A": 0.05}}],
    "finetune": {
        "explore": [[{"method": "md", "temperatures_K": [400], "timestep_fs": 2.0, "steps": 40, "every": 10}]],
        "select": {"max_frames": 4},
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.9},
        "max_iterations": 1,
    },
    "evaluate": {"test_frames": 2, "speed_atoms": 0},
    "resources": {"cores": 1, "train": {"cores": 1}},
    "argo": {"image": "none"},
}


def run(engine: str, folder: Path) -> dict[str, float]:
    """Run the toy once.

    Args:
        engine: ``local`` or ``argo``, in debug mode.
        folder: an empty folder.

    Returns:
        Wall and CPU seconds, seconds of work in tasks, and the number of tasks that the engine ran, a pod each.
    """
    shutil.copyfile(STRUCTURE, folder / "Cu.cif")
    (folder / "input.yaml").write_text(yaml.safe_dump(CONTENT), encoding="utf-8")
    environ = {**os.environ, "DFLOW_MODE": "debug", "DFLOW_DEBUG_POOL_WORKERS": "1"}
    pfd = [sys.executable, "-m", "pfd.cli.main"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [*pfd, "submit", "input.yaml", "--engine", engine]
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if engine == "argo":
        subprocess.run([*pfd, "download", "toy"], cwd=folder, env=environ, check=True, capture_output=True)
    tasks = [task for task in task_folders(folder / "toy") if task.done()]
    return {
        "wall_s": wall,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "work_s": sum(task.result().seconds for task in tasks),
        "engine_tasks": sum(not STEPS[task.task()["step"]].light for task in tasks),
    }


def measure() -> dict[str, object]:
    """Both runs, and the ratio of what they add for each task that an engine ran."""
    figures: dict[str, dict[str, float]] = {}
    for engine in ("local", "argo"):
        with tempfile.TemporaryDirectory() as folder:
            figures[engine] = run(engine, Path(folder))
    work = min(each["work_s"] for each in figures.values())
    added = {engine: (each["cpu_s"] - work) / each["engine_tasks"] for engine, each in figures.items()}
    return {**figures, "added_cpu_s_per_task": added, "argo_over_local": added["argo"] / added["local"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures = measure()
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
