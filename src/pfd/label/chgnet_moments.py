"""Initial moments from CHGNet, which was trained on the final moments of the Materials Project's calculations."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import InputError, LabelRejected
from pfd.frames import frame_id
from pfd.plugins import install_command, require_modules

if TYPE_CHECKING:
    from ase import Atoms

WEIGHTS = "0.3.0"
"""Name of the package's weights: those of PBE(+U)."""
LARGEST_ATOMIC_NUMBER = 94
DIGITS = 1
"""Moments are rounded to 0.1 Bohr magnetons: a start needs no more, and what is 0 then makes no run spin-polarised."""


def chgnet_moments(frame: Atoms) -> np.ndarray:
    """The sizes of the moments that CHGNet predicts, Bohr magnetons, (atoms,); it knows no signs.

    Args:
        frame: of a cell of three vectors; directions that are not periodic count as periodic, with their vacuum.

    Raises:
        MissingError: if the package is not installed.
        InputError: if the frame has no cell, or an element that CHGNet does not know.
        LabelRejected: if an atom has no neighbour within CHGNet's cutoff.

    Source: B. Deng et al., Nature Machine Intelligence 5, 1031 (2023), doi:10.1038/s42256-023-00716-3.
    """
    require_chgnet()
    where, hint = f"frame {frame_id(frame)}", "leave chgnet out of finetune.label.magnetic_starts"
    if frame.cell.rank < 3:
        raise InputError("CHGNet needs a cell to predict moments", where=where, hint=hint)
    if frame.numbers.max() > LARGEST_ATOMIC_NUMBER:
        raise InputError("CHGNet knows no elements beyond plutonium", where=where, hint=hint)
    with _silence():
        from pymatgen.core import Structure

        structure = Structure(frame.cell.array, frame.get_chemical_symbols(), frame.get_scaled_positions())
        try:
            moments = _network().predict_structure(structure, task="em")["m"]
        except ValueError as error:
            raise LabelRejected(f"CHGNet predicts no moments: {error}", where=where, hint=hint) from error
    sizes: np.ndarray = np.abs(np.asarray(moments, dtype=float)).round(DIGITS)
    return sizes


def require_chgnet() -> None:
    """Refuse to go on without the package.

    Raises:
        MissingError: with the command that installs it.
    """
    require_modules(("chgnet",), what="magnetic_starts: [chgnet]", install=install_command("chgnet"))


@cache
def _network() -> Any:
    from chgnet.model import CHGNet

    return CHGNet.load(model_name=WEIGHTS, use_device="cpu", check_cuda_mem=False, verbose=False)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The package prints what it loads, and warns of what it does itself."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
