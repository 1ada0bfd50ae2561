"""An ASE calculator whose model runs in an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import weakref
from pathlib import Path
from typing import Any, ClassVar

from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from pfd.environments.launch import Launch
from pfd.errors import TaskFailed, error_of
from pfd.models.serve import receive, send


class RemoteCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3) from another interpreter, which ends with this object.

    Args:
        launch: how that interpreter is started.
        folder: the model.
        device: ``cpu`` or ``cuda``.
    """

    implemented_properties: ClassVar[tuple[str, ...]] = ("energy", "free_energy", "forces", "stress")

    def __init__(self, launch: Launch, folder: Path, device: str = "cpu") -> None:
        super().__init__()
        command = launch.command("-P", "-m", "pfd.models.serve", str(folder.resolve()), device)
        self._process = subprocess.Popen(
            command, env=launch.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._end = weakref.finalize(self, _end, self._process)

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        """See ASE.

        Raises:
            TaskFailed: if the other interpreter has ended.
            PFDError: what it raised.
        """
        super().calculate(atoms, properties, system_changes)
        frame, process = self.atoms, self._process
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
        energy = float(answer["energy"])
        self.results = {"energy": energy, "free_energy": energy, "forces": answer["forces"]}
        if "stress" in answer:
            self.results["stress"] = answer["stress"]
        elif "stress" in properties:
            raise PropertyNotImplementedError("the stress of a frame that is not periodic in all directions")


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
