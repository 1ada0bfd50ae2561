"""An ASE calculator whose model runs in an environment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.environments.launch import Launch
from pfd.errors import TaskFailed, error_of
from pfd.frames import Labels
from pfd.frames.label_calculator import LabelCalculator
from pfd.models.serve import receive, send

if TYPE_CHECKING:
    from ase import Atoms


class RemoteCalculator(LabelCalculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3) from another interpreter, which ends with this object.

    Args:
        launch: how that interpreter is started.
        folder: the model.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, launch: Launch, folder: Path, device: str = "cpu") -> None:
        super().__init__()
        command = launch.command("-P", "-m", "pfd.models.serve", str(folder.resolve()), device)
        self._process = subprocess.Popen(
            command, env=launch.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._end = weakref.finalize(self, _end, self._process)

    def labels(self, frame: Atoms) -> Labels:
        """See ``LabelCalculator``.

        Raises:
            TaskFailed: if the other interpreter has ended.
            PFDError: what it raised.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"numbers": frame.numbers, "positions": frame.positions, "cell": frame.cell.array, "pbc": frame.pbc}
        try:
            send(process.stdin, asked)  # type: ignore[arg-type]
            answer = receive(process.stdout)  # type: ignore[arg-type]
        except (BrokenPipeError, ValueError):  # it has ended, or was ended
            answer = None
        if answer is None:
            what = f"the interpreter of the model has ended (exit code {process.wait()})"
            raise TaskFailed(what, where=str(process.args), hint="read what it printed above; pfd doctor tests it")
        if "error_kind" in answer:
            raise error_of({key.removeprefix("error_"): str(text) for key, text in answer.items()})
        return Labels(float(answer["energy"]), answer["forces"], answer.get("stress"))


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):  # what was not sent any more to a process that has ended
                stream.close()
    try:
        process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
