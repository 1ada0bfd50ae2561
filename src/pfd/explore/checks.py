"""Stop checks: what tells that a trajectory has left the ground its model knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pfd.explore.settings import StopSettings
from pfd.frames import is_bulk
from pfd.frames.neighbours import closest_contact, pairs_within
from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms

LINK_A = 8.0
"""Fragments further apart than this do not feel each other in a model of local environments (cutoffs of 5 to 6 Å), and
no dispersion worth the name draws them together again."""
MOVED_A = 0.5
FALL_FS = 100.0
"""Within this time an energy falls that falls at once: a thermostat takes as long to begin."""
MAX_SLOW_FALL = 3.0
"""More than the heat and the disorder of a melt far above its melting point, in margins of 1 eV per atom."""
CHECK_EVERY = 10
"""Where looking costs as much as a step, the checks see every tenth step."""


def check_stride(every: int) -> int:
    """Steps between looks: the largest divisor of the steps between kept frames, up to ``CHECK_EVERY``.

    >>> check_stride(20), check_stride(7), check_stride(33)
    (10, 7, 3)
    """
    return max(divisor for divisor in range(1, min(every, CHECK_EVERY) + 1) if every % divisor == 0)


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
    """A potential energy far above or below that of the start.

    A melt that is cooled gives its heat to the thermostat, and may lose more than the margin in time, where a model's
    hole takes it within ``FALL_FS``: of a start that is hotter than its bath only such a fall counts, or one of more
    than ``MAX_SLOW_FALL`` margins.
    """

    name = "energy spike"

    def __init__(self, start: Baseline, margin_eV_per_atom: float) -> None:
        self.start = start
        self.margin = margin_eV_per_atom
        self.up = margin_eV_per_atom + 1.5 * BOLTZMANN_EV_PER_K * start.temperature_K
        self._window = round(FALL_FS / start.timestep_fs)
        self._lately = deque([(0, start.energy)])

    def problem(self, state: State) -> str | None:
        """Say how far the energy is from the start."""
        atoms = len(self.start.frame)
        while self._lately and self._lately[0][0] < state.step - self._window:
            self._lately.popleft()
        self._lately.append((state.step, state.energy))
        change = (state.energy - self.start.energy) / atoms
        if -self.margin <= change <= self.up:
            return None
        fall = (max(energy for _, energy in self._lately) - state.energy) / atoms
        slow = self.start.hotter_than_bath and fall <= self.margin
        if slow and -MAX_SLOW_FALL * self.margin <= change <= self.up:
            return None
        return f"the potential energy left that of the start by {change:+.2f} eV per atom"


class LostVolume(Check):
    """A cell that collapsed or blew up; only a structure that is periodic in all directions has a volume."""

    name = "lost volume"

    def __init__(self, start: Atoms, smallest: float, largest: float) -> None:
        self.start = abs(float(start.cell.volume)) if start.pbc.all() else 0.0
        self.smallest = smallest
        self.largest = largest

    def problem(self, state: State) -> str | None:
        """Say by which factor the volume changed."""
        if self.start <= 0.0:
            return None
        ratio = abs(float(state.frame.cell.volume)) / self.start
        if not self.smallest <= ratio <= self.largest:
            return f"the volume became {ratio:.2f} times that of the start"
        return None


class FragmentLeft(Check):
    """Where there is vacuum: atoms that left the rest for good.

    Atoms closer than ``LINK_A`` belong to one fragment, through periodic boundaries too, and there must be no more
    fragments than at the start. So atoms may move through the cell as far as they like (a liquid film, an adsorbate
    that wanders) and a chain may fold and unfold; what ends the run is a molecule or a layer that flew off.
    Fragments are counted anew once an atom has moved by ``MOVED_A``.
    """

    name = "fragment left"

    def __init__(self, start: Atoms) -> None:
        self.bulk = is_bulk(start)
        self.counted = np.full_like(start.positions, np.inf)
        self.start = 0 if self.bulk else _fragments(start)
        self.extent = _free_extent(start)

    def problem(self, state: State) -> str | None:
        """Say how many fragments there are."""
        positions = state.frame.positions
        if self.bulk or np.abs(positions - self.counted).max() < MOVED_A:
            return None
        if _free_extent(state.frame) > self.extent + LINK_A * len(positions):  # no chain of linked atoms is as long
            return "the atoms flew apart"
        fragments = _fragments(state.frame)
        if fragments > self.start:
            return (
                f"the atoms fell into {fragments} fragments more than {LINK_A:g} Å apart (at the start: {self.start})"
            )
        self.counted = positions.copy()
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
        timestep_fs: fs.
        hotter_than_bath: whether the first frame has more potential energy to lose than a crystal at that temperature:
            a melt, or one that is strongly displaced.
    """

    frame: Atoms
    energy: float
    temperature_K: float
    reference_K: float
    degrees: int
    timestep_fs: float = 1.0
    hotter_than_bath: bool = False


def standard_checks(stop: StopSettings, start: Baseline) -> tuple[Check, ...]:
    """The checks of a trajectory, in the order they are asked: what looks for neighbours comes last."""
    return (
        NotFinite(),
        TemperatureSpike(stop.max_temperature_factor, start.reference_K, start.degrees),
        EnergySpike(start, stop.max_energy_rise_eV_per_atom),
        LostVolume(start.frame, stop.min_volume_factor, stop.max_volume_factor),
        FragmentLeft(start.frame),
        TooClose(stop.min_distance),
    )


def standing_checks(stop: StopSettings, start: Atoms) -> tuple[Check, ...]:
    """The checks of what has no temperature: a relaxation, or frames made otherwise."""
    return (
        NotFinite(),
        LostVolume(start, stop.min_volume_factor, stop.max_volume_factor),
        FragmentLeft(start),
        TooClose(stop.min_distance),
    )


def _free_extent(frame: Atoms) -> float:
    """The longest of the three Cartesian extents of the atoms, Å; 0 if a direction is periodic."""
    return 0.0 if frame.pbc.any() else float(np.ptp(frame.positions, axis=0).max())


def _fragments(frame: Atoms) -> int:
    """How many groups of atoms there are that stand further apart than ``LINK_A``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if frame.pbc.any():
        pairs = pairs_within(frame, LINK_A)
        first, second = pairs.first, pairs.second
    else:  # a tree, unlike a list of cells, is as small for atoms that are far apart
        first, second = cKDTree(frame.positions).query_pairs(LINK_A, output_type="ndarray").T
    links = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(len(frame), len(frame)))
    return int(connected_components(links, directed=False, return_labels=False))
