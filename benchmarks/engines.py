"""What an engine costs: seconds a task beside the bare process, a stage of 1,000 tasks, a run of 10,000 task folders.

Wall times depend on what else the machine does; CPU seconds stand beside them, and each bare process is timed in turn
with the engine's. Other engines bring rows of their own: benchmarks/hpc.py (Slurm) and benchmarks/argo.py (dflow's
debug mode) are asked for ``rows(folder)`` if they are there.

    python benchmarks/engines.py --out engines.json
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from ase.build import bulk

from pfd.digests import file_digest
from pfd.engines.local import LocalEngine
from pfd.frames import with_origin, write_frames
from pfd.json_file import write_json
from pfd.tasks.folder import Artifact, Resources, Result, TaskFolder, TaskSpec
from pfd.workflow.journal import Journal
from pfd.workflow.run_folder import RunFolder, take_folder, task_folders

OTHERS = ("hpc", "argo")
"""Modules beside this one with ``rows(folder: Path) -> list[Row]``."""
SMALL = Resources(cores=1, memory_GB=0.5)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        engine: who runs the tasks.
        what: what was measured.
        value, unit: the figure.
        target: what it should be at most, in words; empty if there is no target.
        cpu_s: CPU seconds behind it, if they say more than a wall time on a busy machine.
    """

    engine: str
    what: str
    value: float
    unit: str
    target: str = ""
    cpu_s: float | None = None


def specs_of(folder, count, frame=None):
    """Label tasks of the toy, each with an identity of its own; they share one frame."""
    if frame is None:
        path = folder / "inputs" / "frame.extxyz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_frames(path, [with_origin(bulk("Cu", cubic=True))])
        frame = Artifact.of(path)
    numbers = range(count)
    return [
        TaskSpec("label", {"settings": {"method": "toy"}, "number": number}, {"frame": frame}, SMALL)
        for number in numbers
    ]


def tasks_of(folder, count):
    """The same as folders."""
    folder.mkdir(parents=True, exist_ok=True)
    return [TaskFolder.create(folder / "label", number, spec) for number, spec in enumerate(specs_of(folder, count))]


def bare(folders):
    """Start ``python -m pfd.tasks FOLDER ...``."""
    command = [sys.executable, "-P", "-m", "pfd.tasks", *(str(folder.path) for folder in folders)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONHASHSEED": "0"})


def timed(function):
    """Wall and CPU seconds (children included) of a call."""
    began, spent = time.perf_counter(), cpu_seconds()
    function()
    return time.perf_counter() - began, cpu_seconds() - spent


def cpu_seconds():
    """CPU seconds of this process and of all that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def quiet(progress):
    """Show nothing."""


def single(folder, repeats):
    """One task a process: the engine and the bare process in turn."""
    engine = LocalEngine(cores=1, memory_GB=64)
    pairs = []
    for number in range(repeats):
        (mine,), (other,) = tasks_of(folder / f"engine-{number}", 1), tasks_of(folder / f"bare-{number}", 1)
        first = timed(lambda one=other: bare([one]).wait())
        second = timed(lambda one=mine: engine.run([one], quiet))
        pairs.append((second[0] - first[0], second[1] - first[1], first[0]))
    wall, cpu, plain = (statistics.median(each) for each in zip(*pairs, strict=True))
    return [
        Row("local", "a task as a bare process", plain, "s"),
        Row("local", "overhead of a task in a process of its own", wall, "s", "at most 0.3", cpu),
    ]


def stage(folder, count, workers):
    """Many tasks in one stage, beside as many bare processes as workers on the same tasks."""
    plain = tasks_of(folder / "bare", count)

    def by_hand():
        for process in [bare(plain[number::workers]) for number in range(workers)]:
            process.wait()

    wall, cpu = timed(by_hand)
    driver = [sys.executable, __file__, "--drive", str(folder / "run"), str(count), str(workers)]
    told = json.loads(subprocess.run(driver, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    what = f"{count} tasks, {workers} workers"
    begin, middle, end = told["rss_MB"]
    return [
        Row("local", f"{what}: bare processes", wall, "s", "", cpu),
        Row("local", f"{what}: the stage", told["wall_s"], "s", "", told["cpu_s"]),
        Row("local", f"{what}: overhead of a task", (told["wall_s"] - wall) / count, "s", "at most 0.3"),
        Row("local", f"{what}: the driver's own CPU", told["driver_cpu_s"], "s"),
        Row("local", f"{what}: memory of the driver, begin", begin, "MB"),
        Row("local", f"{what}: memory of the driver, middle", middle, "MB", "flat"),
        Row("local", f"{what}: memory of the driver, end", end, "MB", "flat"),
    ]


def drive(folder, count, workers):
    """Be the driver of a stage, and print what it took (in a process of its own: its memory is looked at)."""
    take_folder(folder, "bench")
    seen = []

    def watch(_place, progress):
        seen.append((progress.done / count, psutil.Process().memory_info().rss / 1e6))

    run = RunFolder(folder, LocalEngine(cores=workers, memory_GB=64), 0, watch)
    own = resource.getrusage(resource.RUSAGE_SELF)
    wall, cpu = timed(lambda: run.perform({"finetune/iter-000/label": specs_of(folder, count)}))
    after = resource.getrusage(resource.RUSAGE_SELF)
    middle = min(seen, key=lambda each: abs(each[0] - 0.5))[1]
    spent = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    memory = [seen[0][1], middle, seen[-1][1]]
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "driver_cpu_s": spent, "rss_MB": memory}))


def finished_run(folder, count, places=10):
    """A run folder with so many finished tasks, written without running them; returns the groups that ask for them."""
    take_folder(folder, "bench")
    Journal(folder / "journal.jsonl").write("submit", version="bench", edited=0)
    specs, groups = specs_of(folder, count), {}
    for number, spec in enumerate(specs):
        groups.setdefault(f"finetune/iter-{number * places // count:03d}/label", []).append(spec)
    sync, os.fsync = os.fsync, lambda _: None  # made for the measurement, not to last
    try:
        for place, some in groups.items():
            for number, spec in enumerate(some):
                task = TaskFolder.create(folder / place, number, spec)
                (task.path / "outputs" / "label").mkdir(parents=True)
                (task.path / "outputs" / "label" / "label.json").write_text(json.dumps({"number": number}))
                task.end_attempt(task.claim(), "", counted=False)
                outputs = {"label": file_digest(task.path / "outputs" / "label")}
                result = Result(status="done", outputs=outputs, started=time.time(), seconds=0.1, host="bench")
                write_json(task.path / "result.json", result.model_dump(mode="json"))
    finally:
        os.fsync = sync
    return groups


def many(folder, count):
    """A run that holds many finished tasks: its status, and the decision that nothing is left to do."""
    groups = finished_run(folder, count)
    status = [sys.executable, "-P", "-m", "pfd.cli.main", "status", str(folder)]
    runs = [timed(lambda: subprocess.run(status, check=True, stdout=subprocess.DEVNULL)) for _ in range(3)]
    wall, cpu = min(runs)
    before = psutil.Process().memory_info().rss
    resumed = []

    def resume():
        run = RunFolder(folder, LocalEngine(), 0, lambda *_: None)
        run.perform(groups)
        resumed.append(run)

    decision, decision_cpu = timed(resume)
    assert resumed[0].reused == count == sum(1 for _ in task_folders(folder))
    held = (psutil.Process().memory_info().rss - before) / 1e6
    return [
        Row("local", f"pfd status of {count} task folders", wall, "s", "below 1", cpu),
        Row("local", f"resume decision for {count} task folders", decision, "s", "below 5", decision_cpu),
        Row("local", f"memory of the driver for {count} task folders", held, "MB"),
    ]


def rows_of_others(folder):
    """Rows of the engines that have a benchmark of their own beside this one."""
    rows = []
    for name in OTHERS:
        if importlib.util.find_spec(name) is None:
            continue
        module = importlib.import_module(name)
        if hasattr(module, "rows"):
            (folder / name).mkdir()
            rows += [Row(**asdict(row)) for row in module.rows(folder / name)]
    return rows


def show(rows):
    """The table, in Markdown."""
    print("| engine | what | value | target | CPU, s |\n|---|---|---|---|---|")
    for row in rows:
        spent = "" if row.cpu_s is None else f"{row.cpu_s:.2f}"
        digits = 3 if abs(row.value) < 1 else 1
        print(f"| {row.engine} | {row.what} | {row.value:.{digits}f} {row.unit} | {row.target} | {spent} |")


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10, help="single tasks, each beside a bare process")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks in one stage")
    parser.add_argument("--workers", type=int, default=4, help="processes at once in it")
    parser.add_argument("--folders", type=int, default=10000, help="finished task folders in a run")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--drive", nargs=3, metavar=("FOLDER", "TASKS", "WORKERS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        drive(Path(arguments.drive[0]), int(arguments.drive[1]), int(arguments.drive[2]))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        rows = single(folder / "single", arguments.repeats)
        rows += stage(folder / "stage", arguments.tasks, arguments.workers)
        rows += many(folder / "many", arguments.folders)
        rows += rows_of_others(folder)
    show(rows)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
