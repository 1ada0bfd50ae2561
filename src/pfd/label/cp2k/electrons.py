"""How many electrons CP2K is given for a frame, and with which spin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import InputError
from pfd.frames import frame_id
from pfd.frames.state import electronic_state
from pfd.label.cp2k.data_file import Entry
from pfd.label.cp2k.settings import CP2KSettings

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Electrons:
    """The charge and the spin of a frame.

    Attributes:
        charge: total charge, e.
        polarised: whether the two spins are computed apart.
        multiplicity: 2S+1 of the start, and of the end where ``fixed``.
        fixed: whether the frame asks for that spin.
        moments: initial moments, one per atom, Bohr magnetons; None if there are none. Their sum is not negative.
        flipped: whether all moments have the opposite sign of those that were asked for, which is the same state.
    """

    charge: int
    polarised: bool
    multiplicity: int
    fixed: bool
    moments: np.ndarray | None
    flipped: bool


def electrons_of(settings: CP2KSettings, potentials: Mapping[str, Entry], frame: Atoms) -> Electrons:
    """What the frame and the settings ask of the electrons; where they leave the spin open, the moments' sum starts it.

    An odd number of electrons is computed with spin only where it must be, without smearing and in molecules: else
    metals would be of two kinds, according to the parity of their atoms.

    Raises:
        InputError: if the charge is no whole number, or no such number of electrons has such a spin.
    """
    where = f"frame {frame_id(frame)}"
    state = electronic_state(frame)
    charge = round(state.charge)
    if abs(state.charge - charge) > 1e-6:
        what = f"CP2K knows whole charges only, not {state.charge:g}"
        raise InputError(what, where=where, hint="change the charge of the frame")
    count = sum(potentials[symbol].valence() for symbol in frame.get_chemical_symbols()) - charge
    moments = _moments(settings, frame, where)
    flipped = moments is not None and float(moments.sum()) < -1e-9
    if moments is not None and flipped:
        moments = -moments
    wanted = None if state.multiplicity is None else state.multiplicity - 1
    if wanted is not None and ((count - wanted) % 2 or not 0 <= wanted <= count):
        what = f"{count} valence electrons have no spin 2S+1 = {wanted + 1}"
        raise InputError(what, where=where, hint="change the spin or the charge of the frame")
    unpaired = count % 2 == 1 and (settings.smearing == "none" or not frame.pbc.any())
    polarised = settings.spin_polarised or moments is not None or bool(wanted) or unpaired
    start = wanted if wanted is not None else _of_parity(0.0 if moments is None else float(moments.sum()), count)
    multiplicity = start + 1 if polarised else 1
    return Electrons(charge, polarised, multiplicity, polarised and wanted is not None, moments, flipped)


def _of_parity(total: float, count: int) -> int:
    """The number of unpaired electrons closest to a total moment that so many electrons can have."""
    lower = int(total) - (int(total) - count) % 2
    nearest = lower if total - lower <= 1.0 else lower + 2
    return max(nearest, count % 2)


def _moments(settings: CP2KSettings, frame: Atoms, where: str) -> np.ndarray | None:
    given = electronic_state(frame).magmoms
    if given is not None and given.ndim != 1:
        raise InputError("the frame's moments are vectors", where=where, hint="give one number per atom")
    if given is not None:
        return given
    started = np.array([settings.magmoms.get(symbol, 0.0) for symbol in frame.get_chemical_symbols()])
    return started if started.any() else None
