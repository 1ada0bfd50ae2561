"""GPAW's keywords for one frame, and the keywords that each try of an unconverged frame changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import InputError
from pfd.frames import frame_id
from pfd.frames.state import ElectronicState, electronic_state
from pfd.label.gpaw.settings import GPAWSettings
from pfd.label.k_mesh import k_divisions

if TYPE_CHECKING:
    from ase import Atoms

LOG_FILE = "gpaw.txt"
GENTLE: dict[str, Any] = {"name": "pulay", "nmaxold": 5, "weight": 100.0}
"""A long-proven mixer with the weight on long waves that GPAW's manual advises for metals and slabs."""
LADDER: tuple[dict[str, Any], ...] = (
    {"steps": 2, "beta": 0.02, "eigensolver": {}},
    {"steps": 4, "beta": 0.005, "eigensolver": {"eigensolver": {"name": "davidson", "niter": 4}}},
)
"""Factor on ``max_scf_steps``, share of the new density, and eigensolver of the second and third try."""


def frame_with_moments(settings: GPAWSettings, frame: Atoms) -> Atoms:
    """The frame with the initial moments that GPAW starts from.

    GPAW holds the total moment at the sum of the initial ones, if it is to be held. A spin without moments is spread
    over all atoms.

    Raises:
        InputError: if the frame's spin is not the sum of its own moments.
    """
    copy, state = frame.copy(), electronic_state(frame)
    moments = state.magmoms
    if moments is None and any(settings.magmoms.get(symbol) for symbol in frame.get_chemical_symbols()):
        moments = np.array([settings.magmoms.get(symbol, 0.0) for symbol in frame.get_chemical_symbols()])
    copy.arrays.pop("initial_magmoms", None)
    if state.multiplicity is not None and state.multiplicity > 1:
        unpaired = float(state.multiplicity - 1)
        if state.magmoms is None:
            moments = np.full(len(frame), unpaired / len(frame))
        elif abs(state.magmoms.sum() - unpaired) > 1e-3:
            what = f"spin {state.multiplicity} means a total moment of {unpaired:g}, and the initial moments sum to"
            hint = "let them sum to 2S, or give only one of the two"
            raise InputError(f"{what} {state.magmoms.sum():g}", where=f"frame {frame_id(frame)}", hint=hint)
    if moments is not None:
        copy.set_initial_magnetic_moments(moments)
    return copy


def keywords(settings: GPAWSettings, frame: Atoms) -> dict[str, Any]:
    """GPAW's keywords for a frame; those of convergence aids stand in ``first_try`` and ``LADDER``.

    Raises:
        InputError: if the frame has no box.
    """
    if frame.cell.rank < 3:
        hint = "put the atoms into a box with at least 8 Å of vacuum"
        what = "GPAW needs a cell, also along directions that are not periodic"
        raise InputError(what, where=f"frame {frame_id(frame)}", hint=hint)
    state = electronic_state(frame)
    chosen: dict[str, Any] = {
        "mode": {"name": "pw", "ecut": settings.ecut_eV},
        "xc": settings.xc,
        "kpts": {"size": list(k_divisions(frame, settings.kspacing_per_A)), "gamma": True},
        "occupations": _occupations(settings, state),
        "convergence": settings.convergence.keywords(),
        "charge": state.charge,
        "txt": LOG_FILE,
    }
    if settings.setups:
        chosen["setups"] = settings.setups
    if settings.dipole_correction and int(frame.pbc.sum()) == 2:
        chosen["poissonsolver"] = {"dipolelayer": "".join("xyz"[axis] for axis in range(3) if frame.pbc[axis])}
    return chosen


def _occupations(settings: GPAWSettings, state: ElectronicState) -> dict[str, Any]:
    held = {"fixmagmom": True} if state.multiplicity not in {None, 1} else {}
    if settings.smearing == "none":
        return {"name": "fermi-dirac", "width": 0.0, **held}
    return {"name": settings.smearing, "width": settings.width_eV, **held}


def tries(settings: GPAWSettings) -> list[dict[str, Any]]:
    """The keywords of each try that only say how to get to the ground state."""
    first: dict[str, Any] = {"maxiter": settings.max_scf_steps}
    if settings.mixing_beta is not None:
        first["mixer"] = {"name": "msr1", "beta": settings.mixing_beta}
    more = [
        {
            "maxiter": settings.max_scf_steps * rung["steps"],
            "mixer": GENTLE | {"beta": min(rung["beta"], settings.mixing_beta or 1.0)},
            **rung["eigensolver"],
        }
        for rung in LADDER
    ]
    return [first, *(more if settings.ladder else [])]
