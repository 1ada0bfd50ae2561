"""Stop checks: what tells that a trajectory has left the ground its model knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pfd.explore.settings import StopSettings
from pfd.frames.neighbours import closest_contact
from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class State:
    """What is known at one step.

    Attributes:
        step: MD step.
        frame: positions, cell, and if the engine gives them momenta.
        energy: potential energy, eV.
        temperature_K: instantaneous temperature, K.
        max_force: largest force on any atom, eV/Å; None if the engine does not tell.
    """

    step: int
    frame: Atoms
    energy: float
    temperature_K: float
    max_force: float | None = None


class Check(ABC):
    """One reason to stop."""

    name: ClassVar[str]

    @abstractmethod
    def problem(self, state: State) -> str | None:
        """What is wrong at this step, in one sentence, or None."""


class NotFinite(Check):
    """A position, cell, force, energy or temperature that is no number."""

    name = "not finite"

    def problem(self, state: State) -> str | None:
        """Say which quantity is NaN or infinite."""
        quantities = {
            "positions": state.frame.positions,
            "cell": state.frame.cell.array,
            "energy": state.energy,
            "temperature": state.temperature_K,
            "forces": 0.0 if state.max_force is None else state.max_force,
        }
        bad = [name for name, value in quantities.items() if not np.isfinite(value).all()]
        return f"the {bad[0]} became NaN or infinite" if bad else None


class TooClose(Check):
    """Two atoms closer than a fraction of the sum of their covalent radii."""

    name = "too close"

    def __init__(self, fraction: float) -> None:
        self.fraction = fraction

    def problem(self, state: State) -> str | None:
        """Say how close the closest pair is."""
        closest = closest_contact(state.frame, self.fraction) if self.fraction > 0 else np.inf
        if closest < self.fraction:
            return f"two atoms came as close as {closest:.2f} of the sum of their covalent radii"
        return None


class TemperatureSpike(Check):
    """A temperature that the energy put in cannot explain.

    The limit is factor times the reference temperature, plus three standard deviations of the kinetic energy of so
    few degrees of freedom (relative width sqrt(2 / degrees)).
    """

    name = "temperature spike"

    def __init__(self, factor: float, reference_K: float, degrees: int) -> None:
        self.limit_K = factor * reference_K * (1.0 + 3.0 * float(np.sqrt(2.0 / degrees)))

    def problem(self, state: State) -> str | None:
        """Say how hot it is."""
        if state.temperature_K > self.limit_K:
            return f"the temperature rose to {state.temperature_K:.0f} K (limit {self.limit_K:.0f} K)"
        return None


class EnergySpike(Check):
    """A potential energy far above or below that of the start."""

    name = "energy spike"

    def __init__(self, start_eV: float, atoms: int, margin_eV_per_atom: float, temperature_K: float) -> None:
        self.start = start_eV
        self.atoms = atoms
        self.up = margin_eV_per_atom + 1.5 * BOLTZMANN_EV_PER_K * temperature_K
        self.down = margin_eV_per_atom

    def problem(self, state: State) -> str | None:
        """Say how far the energy is from the start."""
        change = (state.energy - self.start) / self.atoms
        if not -self.down <= change <= self.up:
            return f"the potential energy left that of the start by {change:+.2f} eV per atom"
        return None


class LostVolume(Check):
    """A cell that collapsed or blew up; without three periodic directions, atoms that flew apart or fell together."""

    name = "lost volume"

    def __init__(self, start: Atoms, smallest: float, largest: float) -> None:
        self.start = _extent(start)
        self.smallest = smallest
        self.largest = largest

    def problem(self, state: State) -> str | None:
        """Say by which factor the volume changed."""
        if self.start <= 0.0:
            return None
        ratio = _extent(state.frame) / self.start
        if not self.smallest <= ratio <= self.largest:
            return f"the volume became {ratio:.2f} times that of the start"
        return None


@dataclass(frozen=True)
class Baseline:
    """What a run is compared with.

    Attributes:
        frame: the first frame.
        energy: its potential energy, eV.
        temperature_K: the temperature asked for, K.
        reference_K: what temperatures are measured against, K: the one asked for, or what the energy put in amounts to.
        degrees: degrees of freedom of the motion.
    """

    frame: Atoms
    energy: float
    temperature_K: float
    reference_K: float
    degrees: int


def standard_checks(stop: StopSettings, start: Baseline) -> tuple[Check, ...]:
    """The checks of a trajectory, in the order they are asked."""
    return (
        NotFinite(),
        TooClose(stop.min_distance),
        TemperatureSpike(stop.max_temperature_factor, start.reference_K, start.degrees),
        EnergySpike(start.energy, len(start.frame), stop.max_energy_rise_eV_per_atom, start.temperature_K),
        LostVolume(start.frame, stop.min_volume_factor, stop.max_volume_factor),
    )


def _extent(frame: Atoms) -> float:
    """Volume of a bulk cell; else the cube of the root mean square distance from the centre, Å^3."""
    if frame.pbc.all():
        return abs(float(frame.cell.volume))
    centred = frame.positions - frame.positions.mean(axis=0)
    return float(np.sqrt((centred**2).sum(axis=1).mean()) ** 3)
