"""What is said of a model's errors on a labelled set: typed, frozen, and writable as JSON without NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from pfd.settings import Settings

Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval over trajectories (see ``residuals.root_ratio_interval``)."""

NOT_STATED = "not stated"
"""The group of frames that lack a condition which other frames of the set state."""


class AtomErrors(Settings):
    """Force errors on some of the atoms, component-wise; None under the same conditions as in ``Errors``."""

    atoms: int
    """Such atoms over all frames with force labels."""
    force_rmse_meV_per_A: float | None = None
    """Root mean square error of a force component, meV/Å."""
    force_mae_meV_per_A: float | None = None
    """Mean absolute error of a force component, meV/Å."""
    force_rmse_relative: float | None = None
    """Force RMSE over the RMS label force on the same atoms."""


class Errors(Settings):
    """Errors of predictions against labels over one set of frames.

    A figure is None if no frame carries the label, or if any labelled frame has no finite prediction: a model that
    gives NaN, or nothing, somewhere has no RMSE, and the count of such frames says so.
    """

    frames: int
    """Frames in the set, whatever they carry."""
    trajectories: int = 0
    """Trajectories that the labelled frames are of (frames of unknown origin count as one)."""
    interval_note: str = ""
    """What the intervals of this set lack, if anything: frames of few trajectories are not independent."""
    energy_frames: int = 0
    """Frames with an energy label."""
    force_frames: int = 0
    """Frames with force labels."""
    stress_frames: int = 0
    """Frames with a stress label that means something (bulk: periodic in all directions, without vacuum)."""
    bad_energies: int = 0
    """Of ``energy_frames``, those whose predicted energy is missing, NaN or infinite."""
    bad_forces: int = 0
    """Of ``force_frames``, those with a force that is missing, NaN or infinite."""
    bad_stresses: int = 0
    """Of ``stress_frames``, those whose predicted stress is missing, NaN or infinite."""
    energy_rmse_meV_per_atom: float | None = None
    """Energy RMSE per atom after the shift (if one is given), meV."""
    energy_mae_meV_per_atom: float | None = None
    """Energy MAE per atom after the shift (if one is given), meV."""
    unshifted_energy_rmse_meV_per_atom: float | None = None
    """Energy RMSE per atom of the predictions as they are, meV."""
    unshifted_energy_mae_meV_per_atom: float | None = None
    """Energy MAE per atom of the predictions as they are, meV."""
    force_rmse_meV_per_A: float | None = None
    """Root mean square error of a force component, meV/Å (the vector error is sqrt(3) times larger)."""
    force_mae_meV_per_A: float | None = None
    """Mean absolute error of a force component, meV/Å."""
    force_rms_label_meV_per_A: float | None = None
    """Root mean square of the label force components, meV/Å."""
    force_rmse_relative: float | None = None
    """Force RMSE over the RMS label force; None also if all label forces are zero."""
    force_slope: float | None = None
    """Least squares slope through the origin of predicted against label force components: below 1 is too soft."""
    stress_rmse_GPa: float | None = None
    """Root mean square error of a Voigt component of the stress, GPa."""
    stress_mae_GPa: float | None = None
    """Mean absolute error of a Voigt component of the stress, GPa."""
    energy_rmse_interval: Interval | None = None
    """Of ``energy_rmse_meV_per_atom``; None below two frames."""
    force_rmse_interval: Interval | None = None
    """Of ``force_rmse_meV_per_A``; None below two frames."""
    force_relative_interval: Interval | None = None
    """Of ``force_rmse_relative``; None below two frames."""
    stress_rmse_interval: Interval | None = None
    """Of ``stress_rmse_GPa``; None below two frames."""


class ErrorReport(Errors):
    """Errors over a whole set, by element, and by the conditions that its frames were made at."""

    by_element: dict[str, AtomErrors] = Field(default_factory=dict)
    """Chemical symbol -> errors on its atoms."""
    by_depth: dict[str, AtomErrors] = Field(default_factory=dict)
    """Depth below the nearer surface of a slab, such as ``2 to 4`` Å -> errors on atoms there; empty without slabs."""
    by_group: dict[str, dict[str, Errors]] = Field(default_factory=dict)
    """``temperature_K``, ``pressure_GPa``, ``group`` or ``structure`` -> value as text -> errors of those frames; a
    condition that no frame states is absent, and frames that lack one which others state are grouped as
    ``not stated``."""
    shift_eV: dict[str, float] | None = None
    """The energy shift that was added to the predictions, eV per atom of each element; None if none was given."""


def condition_text(condition: Any) -> str:
    """A condition as it names a group: numbers without trailing zeros, so that 300 and 300.0 K are one group.

    >>> condition_text(300.0), condition_text("melt"), condition_text(None)
    ('300', 'melt', 'not stated')
    """
    if condition is None:
        return NOT_STATED
    if isinstance(condition, int | float | np.integer | np.floating):
        return f"{float(condition):g}"
    return str(condition)
