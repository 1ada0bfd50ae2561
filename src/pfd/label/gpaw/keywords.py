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
OWN_BETA = 0.05
"""Share of the new density in each mixing that GPAW 26.7 begins with."""


def frame_with_moments(settings: GPAWSettings, frame: Atoms) -> Atoms:
    """The frame with the initial moments that GPAW starts from.

    GPAW holds the total moment at the sum of the initial ones, if it is to be held. A spin without moments is shared
    out as ``magmoms`` has it, else over all atoms.

    Raises:
        InputError: if the frame's spin is not the sum of its own moments.
    """
    copy, state = frame.copy(), electronic_state(frame)
    moments = state.magmoms
    if moments is None and any(settings.magmoms.get(symbol) for symbol in frame.get_chemical_symbols()):
        moments = np.array([settings.magmoms.get(symbol, 0.0) for symbol in frame.get_chemical_symbols()])
    copy.arrays.pop("initial_magmoms", None)
    if state.multiplicity is not None and (state.multiplicity > 1 or moments is not None):
        unpaired = float(state.multiplicity - 1)
        if state.magmoms is None:
            told = np.zeros(len(frame)) if moments is None else moments
            moments = told * unpaired / told.sum() if told.sum() > 0.0 else np.full(len(frame), unpaired / len(frame))
        elif abs(state.magmoms.sum() - unpaired) > 1e-3:
            what = f"spin {state.multiplicity} means a total moment of {unpaired:g}, and the initial moments sum to"
            hint = "let them sum to 2S, or give only one of the two"
            raise InputError(f"{what} {state.magmoms.sum():g}", where=f"frame {frame_id(frame)}", hint=hint)
    if moments is not None:
        copy.set_initial_magnetic_moments(moments)
    return copy


def keywords(settings: GPAWSettings, frame: Atoms) -> dict[str, Any]:
    """GPAW's keywords for a frame; those of convergence aids stand in ``tries``.

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
    polarised = state.multiplicity != 1 or state.magmoms is not None
    held = {"fixmagmom": True} if state.multiplicity is not None and polarised else {}
    if settings.smearing == "none":
        return {"name": "fermi-dirac", "width": 0.0, **held}
    return {"name": settings.smearing, "width": settings.width_eV, **held}


def tries(settings: GPAWSettings) -> list[dict[str, Any]]:
    """The keywords of each try that only say how to get to the ground state.

    The second takes a smaller share of the new density and more work on the wave functions in each step; the third
    GPAW's older mixer, slow and steady, with the weight on long waves that its manual advises for slabs and metals.
    """
    steps, beta = settings.max_scf_steps, settings.mixing_beta
    first: dict[str, Any] = {"maxiter": steps}
    if beta is not None:
        first["mixer"] = {"name": "msr1", "beta": beta}
    if not settings.ladder:
        return [first]
    gentle = round(0.4 * (beta or OWN_BETA), 6)
    second = {"mixer": {"name": "msr1", "beta": gentle}, "eigensolver": {"name": "davidson", "niter": 4}}
    third = {"mixer": {"name": "pulay", "beta": gentle, "nmaxold": 5, "weight": 100.0}}
    return [first, {"maxiter": 2 * steps, **second}, {"maxiter": 4 * steps, **third}]
