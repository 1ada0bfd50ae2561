"""The electronic state a frame asks for: total charge, spin multiplicity and initial magnetic moments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfd.errors import InputError
from pfd.frames.frame import frame_id

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class ElectronicState:
    """What the user asked of the electrons.

    Attributes:
        charge: total charge, e.
        multiplicity: 2S+1, None if the frame does not say.
        magmoms: initial moments, one per atom, Bohr magnetons; None if the frame has none but zeros.
    """

    charge: float = 0.0
    multiplicity: int | None = None
    magmoms: np.ndarray | None = None


def electronic_state(frame: Atoms) -> ElectronicState:
    """Read the state from ``info["charge"]``, ``info["spin"]`` and the initial charges and moments of the atoms.

    As in ASE's own calculators, initial charges that do not sum to zero ask for that total charge.
    """
    charge = frame.info.get("charge")
    if charge is None:
        charge = frame.arrays["initial_charges"].sum() if "initial_charges" in frame.arrays else 0.0
    spin = frame.info.get("spin")
    magmoms = frame.arrays.get("initial_magmoms")
    return ElectronicState(
        charge=round(float(charge), 8),
        multiplicity=None if spin is None else round(float(spin)),
        magmoms=None if magmoms is None or not np.any(magmoms) else np.asarray(magmoms, dtype=float),
    )


def asked_of(frame: Atoms) -> list[str]:
    """Which of ``charge``, ``spin``, ``initial_magmoms``, ``partial_pbc`` the frame asks for.

    A neutral frame, a singlet and a fully periodic or a free frame are what every labeler does anyway.
    """
    state = electronic_state(frame)
    asked = {
        "charge": state.charge != 0.0,
        "spin": state.multiplicity not in {None, 1},
        "initial_magmoms": state.magmoms is not None,
        "partial_pbc": bool(frame.pbc.any() and not frame.pbc.all()),
    }
    return [name for name, wanted in asked.items() if wanted]


def refuse_unhonoured_state(frames: Sequence[Atoms], honours: Collection[str], who: str, where: str) -> None:
    """Refuse frames that ask for what a labeler or a family cannot do.

    Args:
        frames: the frames.
        honours: which of ``charge``, ``spin``, ``initial_magmoms``, ``partial_pbc`` it can.
        who: its name in the message.
        where: the key that chose it.

    Raises:
        InputError: naming each that is asked for in vain, and the first frame that does.
    """
    first: dict[str, int] = {}
    for index, frame in enumerate(frames):
        for name in asked_of(frame):
            if name not in honours:
                first.setdefault(name, index)
    if first:
        named = ", ".join(f"{name} (first in frame {frame_id(frames[index])})" for name, index in first.items())
        can = ", ".join(sorted(honours)) or "none of charge, spin, initial_magmoms, partial_pbc"
        raise InputError(
            f"{who} cannot honour {named}",
            where=where,
            hint=f"remove it from the structures, or choose another; this one honours: {can}",
        )
