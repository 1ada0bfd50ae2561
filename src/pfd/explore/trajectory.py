"""A trajectory: the frames worth keeping of one run, and how the run ended; and the recorder that collects it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.explore.checks import Check, State
from pfd.explore.settings import MDSettings
from pfd.frames import MODEL_FORCE_KEY, frame_id, with_origin, without_labels

if TYPE_CHECKING:
    from ase import Atoms

ONSET_KEY = "onset"
"""In the info of a frame that was kept because the run failed soon after it."""
_REPORTS = 50


@dataclass(frozen=True)
class Trajectory:
    """What one run of molecular dynamics left.

    Attributes:
        frames: kept frames with id, origin and conditions; without momenta and labels.
        finished: True if all steps were done.
        stop_reason: why it ended early, or None.
        steps_done: time steps done, the failed one included.
        mean_temperature_K: mean instantaneous temperature of the kept part, K (of all steps if nothing was kept).
        discarded: sampled frames that were not kept because they belong to the equilibration.
        suspicious: kept frames that were dropped because the run failed soon after (``stop.suspect_fs``).
    """

    frames: tuple[Atoms, ...]
    finished: bool
    stop_reason: str | None
    steps_done: int
    mean_temperature_K: float
    discarded: int = 0
    suspicious: int = 0


@dataclass(frozen=True)
class Conditions:
    """What the frames of a run have in common.

    Attributes:
        trajectory: the run's name.
        temperature_K: temperature asked for, K.
        pressure_GPa: pressure asked for, GPa; written for npt only.
        group: name of the group of exploration, None if there is none.
    """

    trajectory: str
    temperature_K: float
    pressure_GPa: float = 0.0
    group: str | None = None


class Recorder:
    """Sees every step of a run, asks the checks, keeps the frames.

    Args:
        start: the frame the run starts from: parent of all kept frames; its constraints are theirs.
        settings: of the run.
        conditions: written into the kept frames.
        checks: reasons to stop.
        progress: called now and then with the fraction done and a text.
    """

    def __init__(
        self,
        start: Atoms,
        settings: MDSettings,
        conditions: Conditions,
        checks: Sequence[Check],
        progress: Callable[[float, str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._constraints = start.constraints
        self._suspect_steps = settings.stop.suspect_fs / settings.timestep_of(start)
        self._origin: dict[str, Any] = {
            "parent": frame_id(start),
            "trajectory": conditions.trajectory,
            "temperature_K": conditions.temperature_K,
            "pressure_GPa": conditions.pressure_GPa if settings.ensemble == "npt" else None,
            "group": conditions.group,
            "structure": start.info.get("structure"),
        }
        self._progress = progress
        self._report_every = max(1, settings.steps // _REPORTS)
        self._checks = checks
        self._kept: list[Atoms] = []
        self._latest: deque[Atoms] = deque(maxlen=settings.stop.onset_frames)
        self._temperatures: list[tuple[int, float]] = []
        self._discarded = 0
        self._last = 0
        self.stop_reason: str | None = None
        self.energy = 0.0
        """Potential energy of the last good step, eV."""

    def see(self, state: State) -> bool:
        """Take one step into account; False if the run must stop here."""
        self._last = state.step
        problem = self.problem(state)
        if problem:
            return self.stop(problem)
        self.energy = state.energy
        if self._latest.maxlen and state.step:
            self._latest.append(self._frame(state))
        self._temperatures.append((state.step, state.temperature_K))
        steps = self._settings.steps
        if self._progress and state.step % self._report_every == 0:
            self._progress(state.step / steps, f"step {state.step} of {steps}, {state.temperature_K:.0f} K")
        if state.step and state.step % self._settings.every == 0:
            if state.step > self._settings.equilibration:
                self._kept.append(self._frame(state))
            else:
                self._discarded += 1
        return True

    def problem(self, state: State) -> str | None:
        """What the first check that objects says of a state."""
        for check in self._checks:
            problem = check.problem(state)
            if problem:
                return f"{check.name} at step {state.step}: {problem}"
        return None

    def stop(self, reason: str) -> bool:
        """End the run early; False, for the caller's loop."""
        self.stop_reason = reason
        return False

    def trajectory(self) -> Trajectory:
        """The result; after a failure without the frames and temperatures of the suspect last steps."""
        horizon = self._last - self._suspect_steps if self.stop_reason else np.inf
        frames = tuple(frame for frame in self._kept if frame.info["step"] < horizon)
        suspicious = len(self._kept) - len(frames)
        if self.stop_reason:
            frames = self._with_onset(frames)
        good = [value for step, value in self._temperatures if self._settings.equilibration < step < horizon]
        temperatures = good or [value for _, value in self._temperatures] or [0.0]
        return Trajectory(
            frames=frames,
            finished=self.stop_reason is None and self._last + self._settings.every > self._settings.steps,
            stop_reason=self.stop_reason,
            steps_done=self._last,
            mean_temperature_K=float(np.mean(temperatures)),
            discarded=self._discarded,
            suspicious=suspicious,
        )

    def _with_onset(self, frames: tuple[Atoms, ...]) -> tuple[Atoms, ...]:
        """The good part, and after it the last frames before the stop."""
        for frame in self._latest:
            frame.info[ONSET_KEY] = True
        steps = {frame.info["step"] for frame in self._latest}
        return (*(frame for frame in frames if frame.info["step"] not in steps), *self._latest)

    def _frame(self, state: State) -> Atoms:
        frame = without_labels(state.frame)
        frame.arrays.pop("momenta", None)
        frame.set_constraint(self._constraints)
        if state.max_force is not None:
            frame.info[MODEL_FORCE_KEY] = float(state.max_force)
        return with_origin(frame, **self._origin, step=state.step)
