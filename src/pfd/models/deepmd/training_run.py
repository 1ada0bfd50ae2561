"""A training by deepmd-kit in a process of its own, watched while it runs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from pfd.errors import TaskFailed, TransientError
from pfd.models.deepmd.learning_curve import read_curve
from pfd.models.deepmd.package import set_variables
from pfd.models.deepmd.training_input import CURVE
from pfd.models.family import EpochRecord, Progress
from pfd.program import run_program

LOG = "dp.log"
LAST_LINES = 12
"""Of its output, shown when it fails."""
NOISE = "implib-gen"
"""In lines by which a library of the package complains that there is no CUDA."""


def run_dp(
    commands: Sequence[Sequence[str]], folder: Path, steps: int, progress: Progress, device: str
) -> list[EpochRecord]:
    """Run ``dp`` with the arguments of each command in a folder, and return the learning curve that it wrote there.

    Its output goes to this process's own as it comes; it ends when this process does.

    Args:
        commands: the first is the training.
        folder: holds the input and the data.
        steps: of the training.
        progress: told of each row of the learning curve.
        device: ``cpu`` or ``cuda``.

    Raises:
        TaskFailed: if the package ends with an error, with the last it said; or if errors become infinite or NaN.
        TransientError: if it is killed.
    """
    set_variables(device)
    watcher = _Watcher(folder, steps, progress)
    finished = run_program(
        [sys.executable, "-P", "-m", "pfd.models.deepmd.command", json.dumps(commands)],
        folder,
        folder / LOG,
        wall_time_s=math.inf,
        observe=watcher.look,
    )
    if finished.killed:
        raise TransientError("deepmd-kit was killed", where=str(folder), hint="give the task more memory")
    if finished.code:
        said = [line for line in finished.output.splitlines() if line.strip() and NOISE not in line]
        raise TaskFailed(
            "deepmd-kit ended with an error:\n" + "\n".join(said[-LAST_LINES:]),
            where=" ".join(commands[0]),
            hint="lower learning_rate if numbers became infinite; look at the settings file if there is one",
        )
    return read_curve(folder / CURVE)


class _Watcher:
    """Passes on what a running ``dp`` writes: its log to standard output, its learning curve to the progress."""

    def __init__(self, folder: Path, steps: int, progress: Progress) -> None:
        self.folder, self.steps, self.progress = folder, steps, progress
        self.read = 0
        self.rows = 0

    def look(self) -> None:
        """Pass on what is new."""
        with (self.folder / LOG).open(encoding="utf-8", errors="replace") as log:
            log.seek(self.read)
            new = log.read()
            self.read = log.tell()
        print("".join(line for line in new.splitlines(keepends=True) if NOISE not in line), end="", flush=True)
        curve = read_curve(self.folder / CURVE)
        if len(curve) > self.rows:
            self.rows = len(curve)
            error = curve[-1].valid_force_rmse_eV_per_A or curve[-1].train_force_rmse_eV_per_A or math.nan
            text = f"step {curve[-1].step} of {self.steps}: force RMSE {1000 * error:.0f} meV/Å"
            self.progress(min(curve[-1].step / self.steps, 1.0), text)
