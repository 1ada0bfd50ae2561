"""``pfd submit`` with many inputs, or with many materials for one: a driver each, under one cap of cores and memory."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from pfd.api import open_run
from pfd.cli.detach import in_background, start_driver
from pfd.cli.many_progress import many_display
from pfd.cli.materials import Material, materials_of_inputs, materials_of_structures
from pfd.cli.options import INTERRUPTED
from pfd.engines.pool import POOL_VARIABLE, Pool
from pfd.errors import PFDError, RunError, SettingError
from pfd.workflow.driver_lock import held_elsewhere
from pfd.workflow.look import Look, Onlooker

JOBS = 4
LOOK_SECONDS = 1.0
WORST = (1, 2, 130, 3, 4, 0)
"""Exit codes from the worst to the best."""


@dataclass(frozen=True)
class ManyOptions:
    """The options of ``pfd submit`` that concern many runs."""

    structures: tuple[Path, ...] = ()
    jobs: int | None = None
    cores: int | None = None
    memory_GB: float | None = None
    until: str | None = None
    take_over: bool = False
    as_json: bool = False
    overrides: tuple[str, ...] = ()

    def refuse_idle(self, many: bool) -> None:
        """Refuse options that are about many runs where there is one.

        Raises:
            SettingError: naming the first.
        """
        given = {"--jobs": self.jobs, "--cores": self.cores, "--memory-GB": self.memory_GB}
        for name, value in given.items():
            if value and not many:
                hint = "leave it out; the caps of one run are resources.cores and resources.memory_GB of its input"
                raise SettingError("without effect: it is about many runs, and this is one", where=name, hint=hint)


def are_many(inputs: Sequence[Path], options: ManyOptions) -> bool:
    """Whether a command line means many runs: INPUT RUN is one."""
    if options.structures or len(inputs) > 2:
        return True
    return len(inputs) == 2 and (inputs[1].is_file() or inputs[1].suffix in {".yaml", ".yml", ".json", ".toml"})


@dataclass
class Job:
    """One material, and how far it is."""

    material: Material
    take_over: bool = False
    process: subprocess.Popen[str] | None = None
    said: str = ""
    exit_code: int | None = None
    look: Look | None = None
    onlooker: Onlooker | None = None
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, arguments: Sequence[str], variables: dict[str, str]) -> None:
        """Start the driver, and wait for its end."""
        with self.lock:
            if self.stopped:
                return
            try:
                self.material.prepare(self.take_over)
            except PFDError as error:
                self.exit_code, self.said = error.exit_code, f"{type(error).__name__}: {error}\n"
                return
        command = ["submit", *self.material.arguments, *arguments, *(["--take-over"] if self.take_over else [])]
        _, self.said, _ = start_driver(command, variables, self._started)
        assert self.process is not None
        code = self.process.wait()
        self.exit_code = INTERRUPTED if code < 0 and self.stopped else code  # it was ended before it could take notice

    def _started(self, process: subprocess.Popen[str]) -> None:
        with self.lock:
            self.process = process
            if self.stopped:
                process.terminate()

    def stop(self) -> None:
        """Have the driver end its tasks and itself; what has not begun does not begin."""
        with self.lock:
            self.stopped = True
            if self.process is not None and self.process.poll() is None:
                self.process.terminate()


def submit_many(inputs: Sequence[Path], options: ManyOptions) -> int:
    """Run all of them, and print one summary; returns the worst exit code.

    Raises:
        InputError: if one of the inputs cannot be read; nothing has been started then.
        RunError: if two of them mean the same run folder.
    """
    materials = (
        materials_of_structures(inputs, options.structures) if options.structures else materials_of_inputs(inputs)
    )
    elsewhere = {material.name for material in materials if options.take_over and held_elsewhere(material.run)}
    if options.take_over and not elsewhere:
        what = "there is nothing to take over: no driver on another host holds one of these runs"
        raise RunError(what, where="--take-over", hint="leave it out")
    pool = _pool(options)
    jobs = [Job(material, material.name in elsewhere) for material in materials]
    in_background(Path.cwd())
    arguments = [*options.overrides, *(["--until", options.until] if options.until else [])]
    interrupted = _run(jobs, options.jobs or JOBS, arguments, {POOL_VARIABLE: str(pool)})
    rows = [_row(job) for job in jobs]
    code = INTERRUPTED if interrupted else next(each for each in WORST if each in {row["exit_code"] for row in rows})
    if options.as_json:
        print(json.dumps({"runs": rows, "exit_code": code}, indent=1))
    else:
        _print_summary(rows)
    return code


def _pool(options: ManyOptions) -> Path:
    """The folder of the pool: of this machine, and of the folder that the runs stand in."""
    there = len(os.sched_getaffinity(0))
    if options.cores is not None and options.cores > there:
        raise SettingError(
            f"{options.cores} cores, and this machine has {there}", where="--cores", hint=f"at most {there}"
        )
    memory_GB = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    folder = Path.cwd() / ".pfd-pool" / socket.gethostname()
    Pool.create(folder, options.cores or there, options.memory_GB or memory_GB)
    return folder


def _run(jobs: Sequence[Job], at_once: int, arguments: Sequence[str], variables: dict[str, str]) -> bool:
    """Run all jobs; True if that was interrupted."""
    interrupted = False
    with ThreadPoolExecutor(at_once) as threads, many_display(Console(stderr=True)) as display:
        futures = [threads.submit(job.run, arguments, variables) for job in jobs]
        while not _all_done(futures):
            try:
                display.show([_state(job) for job in jobs])
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                interrupted = True
                for job in jobs:
                    job.stop()
        display.show([_state(job) for job in jobs])
        for future in futures:
            future.result()
    return interrupted


def _all_done(futures: Sequence[Future[None]]) -> bool:
    return all(future.done() for future in futures)


def _state(job: Job) -> tuple[str, str, Look | None, list[dict[str, Any]]]:
    """Name, what is to be said of it in a word, and how it looks."""
    news: list[dict[str, Any]] = []
    if job.process is not None and job.material.run.is_dir():
        job.onlooker = job.onlooker or Onlooker(job.material.run)
        job.look, news = job.onlooker.look()
    if job.exit_code is not None:
        return job.material.name, _word(job), job.look, news
    return job.material.name, "waiting for its turn" if job.process is None else "running", job.look, news


def _word(job: Job) -> str:
    """How a job has ended."""
    if job.exit_code is None:
        return "not begun"
    by_code = {
        0: "converged",
        1: "failed",
        2: "refused",
        3: "not converged",
        4: "waiting for you",
        130: "interrupted",
    }
    if job.exit_code == 0 and job.look is not None and job.look.status == "paused":
        return "paused"
    return by_code.get(job.exit_code, f"ended with {job.exit_code}")


def _row(job: Job) -> dict[str, Any]:
    """A material in the summary."""
    code = INTERRUPTED if job.exit_code is None else job.exit_code
    known = code if code in WORST else 1
    row = {"name": job.material.name, "run": str(job.material.run), "status": _word(job), "exit_code": known}
    error = (job.look.error if job.look is not None and known == 1 else "") or (
        job.said.strip() if known in {1, 2} else ""
    )
    row["error"] = error
    if known in {0, 3, 4} and (job.material.run / "run.json").is_file():
        summary = open_run(job.material.run).summary
        models = summary.get("models", {})
        row["labels"] = summary.get("labels", {}).get("asked", 0)
        row["force_rmse_meV_per_A"] = {name: model["test"]["force_rmse_meV_per_A"] for name, model in models.items()}
        row["seconds"] = summary.get("seconds", {}).get("wall", 0.0)
    return row


def _print_summary(rows: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(title=f"{len(rows)} runs")
    columns = ("run", "", "labels", "fine-tuned meV/Å", "student meV/Å", "s")
    for column in columns:
        table.add_column(column, justify="left" if column in {"run", ""} else "right", overflow="fold")
    for row in rows:
        errors = row.get("force_rmse_meV_per_A", {})
        told = [f"{errors[name]:.1f}" if name in errors else "" for name in ("finetuned", "student")]
        table.add_row(
            row["run"],
            row["status"],
            str(row.get("labels", "")),
            *told,
            f"{row['seconds']:.0f}" if "seconds" in row else "",
        )
    console = Console()
    console.print(table)
    for row in rows:
        if row["error"]:
            console.print(f"{row['name']}: {row['error']}", markup=False, highlight=False, soft_wrap=True)
