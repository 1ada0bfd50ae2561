"""A trajectory: the frames worth keeping of one run, and how the run ended; and the recorder that collects it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.explore.checks import Check, State
from pfd.frames import MODEL_ENERGY_KEY, MODEL_FORCE_KEY, frame_id, with_origin, without_labels

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
        mean_temperature_K: mean instantaneous temperature of the kept part, K (of all steps if nothing was kept);
            None for a run without one.
        discarded: sampled frames that were not kept: of the equilibration, or a check objected to them.
        suspicious: kept frames that were dropped because the run failed soon after (``stop.suspect_fs``).
    """

    frames: tuple[Atoms, ...]
    finished: bool
    stop_reason: str | None
    steps_done: int
    mean_temperature_K: float | None
    discarded: int = 0
    suspicious: int = 0


@dataclass(frozen=True)
class Conditions:
    """What the frames of a run have in common.

    Attributes:
        trajectory: the run's name.
        temperature_K: temperature asked for, K; None if it is not one.
        pressure_GPa: pressure asked for, GPa; None if none was.
        group: name of the group of exploration, None if there is none.
    """

    trajectory: str
    temperature_K: float | None
    pressure_GPa: float | None = None
    group: str | None = None


@dataclass(frozen=True)
class Sampling:
    """Which steps of a run are kept.

    Attributes:
        steps: most steps of the run.
        every: steps between kept frames.
        equilibration: steps at the beginning of which none is kept.
        suspect_steps: frames of so many steps before a failure are dropped.
        onset_frames: so many of the last frames before a failure are kept nevertheless, marked as ``onset``.
        may_end: True for a run that has reached its goal if it ends before all steps are done.
        ends: keep the last step, wherever ``every`` leaves it.
        start: keep step 0.
    """

    steps: int
    every: int
    equilibration: int = 0
    suspect_steps: float = 0.0
    onset_frames: int = 0
    may_end: bool = False
    ends: bool = False
    start: bool = False


class Recorder:
    """Sees every step of a run, asks the checks, keeps the frames.

    Args:
        start: the frame the run starts from: parent of all kept frames; its constraints are theirs.
        sampling: which steps are kept.
        conditions: written into the kept frames.
        checks: reasons to stop.
        progress: called now and then with the fraction done and a text.
    """

    def __init__(
        self,
        start: Atoms,
        sampling: Sampling,
        conditions: Conditions,
        checks: Sequence[Check],
        progress: Callable[[float, str], None] | None = None,
    ) -> None:
        self._sampling = sampling
        self._constraints = start.constraints
        self._origin: dict[str, Any] = {
            "parent": frame_id(start),
            "trajectory": conditions.trajectory,
            "temperature_K": conditions.temperature_K,
            "pressure_GPa": conditions.pressure_GPa,
            "group": conditions.group,
            "structure": start.info.get("structure"),
        }
        self._progress = progress
        self._report_every = max(1, sampling.steps // _REPORTS)
        self._checks = checks
        self._kept: list[Atoms] = []
        self._latest: deque[Atoms] = deque(maxlen=sampling.onset_frames)
        self._temperatures: list[tuple[int, float]] = []
        self._discarded = 0
        self._objections: list[str] = []
        self._last = 0
        self._seen: State | None = None
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
        self._seen = state
        if self._latest.maxlen and state.step:
            self._latest.append(self._frame(state))
        self._temperatures.append((state.step, state.temperature_K))
        steps = self._sampling.steps
        if self._progress and state.step % self._report_every == 0:
            heat = f", {state.temperature_K:.0f} K" if state.temperature_K else ""
            self._progress(state.step / max(1, steps), f"step {state.step} of {steps}{heat}")
        if (state.step and state.step % self._sampling.every == 0) or (self._sampling.start and state.step == 0):
            if state.step > self._sampling.equilibration or state.step == 0:
                self._kept.append(self._frame(state))
            else:
                self._discarded += 1
        return True

    def sample(self, state: State) -> bool:
        """Keep a frame that belongs to no motion, unless a check objects; False if one does."""
        problem = self.problem(state)
        self._last = state.step
        if problem:
            self._objections.append(problem)
        else:
            self._kept.append(self._frame(state))
        if self._progress:
            self._progress(state.step / self._sampling.steps, f"frame {state.step} of {self._sampling.steps}")
        if 2 * len(self._objections) > self._sampling.steps:
            self.stop_reason = f"most frames are not sane: {self._objections[0]}"
        return not problem

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
        if self._sampling.ends and not self.stop_reason:
            self._keep_last()
        horizon = self._last - self._sampling.suspect_steps if self.stop_reason else np.inf
        frames = tuple(frame for frame in self._kept if frame.info["step"] < horizon)
        suspicious = len(self._kept) - len(frames)
        if self.stop_reason:
            frames = self._with_onset(frames)
        good = [value for step, value in self._temperatures if self._sampling.equilibration < step < horizon]
        temperatures = good or [value for _, value in self._temperatures]
        return Trajectory(
            frames=frames,
            finished=self.stop_reason is None and (self._sampling.may_end or self._all_done()),
            stop_reason=self.stop_reason,
            steps_done=self._last,
            mean_temperature_K=float(np.mean(temperatures)) if any(temperatures) else None,
            discarded=self._discarded + len(self._objections),
            suspicious=suspicious,
        )

    def _keep_last(self) -> None:
        state = self._seen
        if state is not None and not (self._kept and self._kept[-1].info["step"] == state.step):
            self._kept.append(self._frame(state))

    def _all_done(self) -> bool:
        return self._last + self._sampling.every > self._sampling.steps

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
        frame.info[MODEL_ENERGY_KEY] = float(state.energy)
        if state.max_force is not None:
            frame.info[MODEL_FORCE_KEY] = float(state.max_force)
        return with_origin(frame, **self._origin, step=state.step)
