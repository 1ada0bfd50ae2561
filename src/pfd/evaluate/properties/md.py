"""Structure and diffusion from molecular dynamics: g(r), coordination, mean square displacement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from pfd.evaluate.properties.dynamics import OfEquilibrium, Stretch
from pfd.evaluate.properties.equation_of_state import curve, require_crystal
from pfd.evaluate.properties.property import Curve, Job, Measured
from pfd.frames.radial import radial_structure

if TYPE_CHECKING:
    from ase import Atoms

RADIAL_FRAMES = 50
"""Frames over which g(r) is averaged."""
LAGS = 40
"""Points of the mean square displacement."""
BLOCKS = 4
"""Parts of the run whose diffusion coefficients tell the error of the mean."""
FITTED_FROM = 0.2
"""The line is fitted from this part of the longest lag on: before, atoms still fly freely or rattle in their cages."""


class MDProperties(OfEquilibrium):
    """Radial distribution function, coordination and diffusion at one temperature and the structure's volume.

    The diffusion coefficient is a sixth of the slope of the mean square displacement, averaged over time origins, in
    the frame of the centre of mass (Frenkel and Smit, Understanding Molecular Simulation, section 4.4), of a run with a
    thermostat that hardly disturbs it (Bussi, 100 fs); its error is that of the mean of four parts of the run. For g(r)
    see ``pfd.frames.radial``. 1 Å^2/ps is 1e-4 cm^2/s.
    """

    quantities: ClassVar[tuple[str, ...]] = (
        r"diffusion(_[A-Z][a-z]?)?(_error)?_A2_per_ps",
        "first_peak_A",
        "first_minimum_A",
        "coordination",
        "mean_temperature_K",
    )
    told: ClassVar[str] = (
        "diffusion_A2_per_ps, diffusion_O_A2_per_ps ..., first_peak_A, "
        "first_minimum_A, coordination, mean_temperature_K"
    )

    kind: Literal["md"] = "md"
    """g(r) and diffusion."""
    temperature_K: float = Field(gt=0)
    """Temperature, K."""
    r_max_A: float = Field(default=8.0, gt=0, le=30)
    """Longest distance of g(r), Å."""

    def require(self, structures: Mapping[str, Atoms]) -> None:
        """See ``Property.require``."""
        require_crystal(structures["structure"])

    def measure(self, job: Job) -> Measured:
        """See ``Property.measure``."""
        start = self.equilibrated(job)
        every = max(1, self.steps // (LAGS * 10))
        frames, temperatures = [], []
        for stored in self.run(job, start, Stretch("nvt", self.steps, every)):
            frames.append(stored.frame)
            temperatures.append(stored.temperature_K)
            job.progress(0.2 + 0.8 * stored.step / self.steps, f"step {stored.step} of {self.steps}")
        radial = radial_structure(frames[:: max(1, len(frames) // RADIAL_FRAMES)], self.r_max_A)
        values = {
            "first_peak_A": radial.first_peak_A,
            "first_minimum_A": radial.first_minimum_A,
            "coordination": radial.coordination,
            "mean_temperature_K": float(np.mean(temperatures)),
        }
        curves = {"g": curve(("distance, Å", "g(r)"), np.array(radial.r_A), np.array(radial.g))}
        found, displacement = _diffusion(frames, every * self.timestep_fs / 1000.0)
        return Measured(values=values | found, curves=curves | {"mean_square_displacement": displacement})


def _diffusion(frames: Sequence[Atoms], spacing_ps: float) -> tuple[dict[str, float], Curve]:
    """Diffusion coefficients of all atoms and of each element, Å²/ps, and the mean square displacement of all."""
    masses = frames[0].get_masses()
    tracks = np.array([frame.positions - frame.positions.T @ masses / masses.sum() for frame in frames])
    kinds = frames[0].get_chemical_symbols()
    groups = {"": np.ones(len(kinds), dtype=bool)}
    if len(set(kinds)) > 1:
        groups |= {f"_{element}": np.array([kind == element for kind in kinds]) for element in sorted(set(kinds))}
    values: dict[str, float] = {}
    for name, chosen in groups.items():
        values[f"diffusion{name}_A2_per_ps"] = _slope(*mean_square_displacement(tracks[:, chosen], spacing_ps)) / 6.0
        blocks = [part[:, chosen] for part in np.array_split(tracks, BLOCKS)]
        slopes = [_slope(*mean_square_displacement(part, spacing_ps)) / 6.0 for part in blocks if len(part) > 4]
        if len(slopes) > 1:
            values[f"diffusion{name}_error_A2_per_ps"] = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes)))
    lags, squares = mean_square_displacement(tracks, spacing_ps)
    return values, curve(("time, ps", "mean square displacement, Å²"), lags, squares)


def mean_square_displacement(
    tracks: Float[np.ndarray, "frames atoms 3"], spacing_ps: float
) -> tuple[Float[np.ndarray, " lags"], Float[np.ndarray, " lags"]]:
    """Lags, ps, and the mean square displacement, Å², averaged over atoms and time origins.

    Args:
        tracks: positions that are continuous (not wrapped), Å.
        spacing_ps: between frames.
    """
    longest = max(1, len(tracks) // 2)
    lags = np.unique(np.linspace(0, longest, min(LAGS, longest) + 1).astype(int))
    squares = [float(((tracks[lag:] - tracks[: len(tracks) - lag]) ** 2).sum(axis=2).mean()) for lag in lags]
    return lags * spacing_ps, np.array(squares)


def _slope(lags_ps: Float[np.ndarray, " lags"], squares: Float[np.ndarray, " lags"]) -> float:
    late = lags_ps >= FITTED_FROM * lags_ps[-1]
    return float(np.polyfit(lags_ps[late], squares[late], 1)[0]) if late.sum() > 1 else 0.0
