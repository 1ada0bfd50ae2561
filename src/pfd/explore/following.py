"""Following a run of ASE step by step, with a model that may fail on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import TaskFailed
from pfd.explore.checks import State
from pfd.memory import out_of_memory
from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.trajectory import Recorder

MODEL_FAILURES = (
    ArithmeticError,
    LookupError,
    MemoryError,
    RuntimeError,
    ValueError,
    TaskFailed,
)
"""What a model, or the search for neighbours, raises on a frame that makes no sense; torch raises RuntimeError for
almost everything, ASE's CalculatorError is one too, numpy's LinAlgError is a ValueError."""


def follow(
    run: Iterable[Any],
    steps_done: Callable[[], int],
    atoms: Atoms,
    recorder: Recorder,
    degrees: int = 0,
    after: Callable[[], None] | None = None,
) -> None:
    """Let the recorder see each step; a model that answered at the start and fails later ends the run.

    Args:
        run: does one step each time it is asked.
        steps_done: tells how many.
        atoms: what moves, with its calculator.
        recorder: who looks.
        degrees: degrees of freedom of the motion; 0 if it has no temperature.
        after: called after each step that the checks let pass.

    Raises:
        RuntimeError, MemoryError: if memory ran out with a sane frame: that is the machine's fault.
        NotImplementedError: if the model lacks what the run asks of it.
    """
    answered = False
    try:
        for _ in run:
            if not recorder.see(state_of(steps_done(), atoms, degrees)):
                return
            answered = True
            if after is not None:
                after()
    except NotImplementedError:
        raise
    except MODEL_FAILURES as error:
        if not answered or (out_of_memory(error) and _sane(recorder, atoms, steps_done(), degrees)):
            raise
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        recorder.stop(f"the model failed after step {steps_done()}: {reason}")


def state_of(step: int, atoms: Atoms, degrees: int = 0) -> State:
    """What the checks look at; ``degrees`` of freedom are 0 if the motion has no temperature."""
    forces = atoms.get_forces(apply_constraint=False)
    return State(
        step=step,
        frame=atoms,
        energy=float(atoms.get_potential_energy()),
        temperature_K=_temperature(atoms, degrees),
        max_force=float(np.linalg.norm(forces, axis=1).max()),
    )


def _temperature(atoms: Atoms, degrees: int) -> float:
    return 2.0 * float(atoms.get_kinetic_energy()) / (degrees * BOLTZMANN_EV_PER_K) if degrees else 0.0


def _sane(recorder: Recorder, atoms: Atoms, step: int, degrees: int) -> bool:
    """Whether the checks find nothing wrong with positions and velocities (there are no forces to look at)."""
    try:
        return recorder.problem(State(step, atoms, recorder.energy, _temperature(atoms, degrees))) is None
    except MODEL_FAILURES:
        return False
