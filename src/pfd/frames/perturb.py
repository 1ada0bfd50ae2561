"""Perturbed copies of a structure: random strain of the cell, then random displacements of the atoms."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float

from pfd.arrays import Positions
from pfd.errors import SettingError
from pfd.frames.frame import frame_id, with_origin
from pfd.frames.labels import without_labels
from pfd.wording import shortened

if TYPE_CHECKING:
    from ase import Atoms

_Strains = Float[np.ndarray, "6"]
MOST_ATOMS = 100_000
"""Of a supercell: more is a slip of the pen, which would fill the memory."""
Style = Literal["normal", "uniform", "const"]
"""How displacements are drawn; see ``_displacements``."""


def perturb(
    frame: Atoms,
    count: int,
    *,
    displacement_A: float,
    strain: float,
    style: Style = "normal",
    fraction: float = 1.0,
    supercell: tuple[int, int, int] = (1, 1, 1),
    seed: int = 0,
) -> list[Atoms]:
    """Random copies of a frame, without labels, their origin recorded.

    Six strains e ~ U(-strain, strain) make cell' = cell · [[1+e0, e5/2, e4/2], [e5/2, 1+e1, e3/2],
    [e4/2, e3/2, 1+e2]] with fractional coordinates kept; then the chosen atoms are displaced. The strain acts
    only within the periodic directions: a slab keeps its thickness and a molecule is not strained. Constrained atoms
    follow the cell but are not displaced; a partly fixed atom is displaced along its free components.

    Args:
        frame: the structure; it is not changed.
        count: how many copies.
        displacement_A: root mean square (normal), largest (uniform) or exact (const) length of a displacement, Å.
        strain: largest absolute value of each of the six strains (dimensionless).
        style: how displacements are drawn.
        fraction: fraction of the atoms that are displaced, chosen at random for each copy; at least one.
        supercell: repetitions along the three cell vectors, made first.
        seed: the same seed gives the same copies.

    Raises:
        SettingError: if an argument is out of range.
    """
    _check(count, displacement_A, strain, style, fraction)
    base = repeated(frame, supercell)
    parent = frame_id(frame)
    generator = np.random.default_rng(seed)
    copies = []
    for _ in range(count):
        copy = with_origin(base, parent=parent)
        _strain_cell(copy, generator.uniform(-strain, strain, 6))
        moved = generator.permutation(len(copy))[: max(1, round(fraction * len(copy)))]
        shift = np.zeros((len(copy), 3))
        shift[moved] = _displacements(len(moved), displacement_A, style, generator)
        copy.set_positions(copy.positions + shift, apply_constraint=True)
        copies.append(with_origin(copy))
    return copies


def repeated(frame: Atoms, supercell: tuple[int, int, int]) -> Atoms:
    """The supercell, without labels; its total charge and its number of unpaired electrons grow with it.

    Raises:
        SettingError: if a repetition is below 1, or above 1 in a direction that is not periodic, or there would be
            more than a million atoms.
    """
    if min(supercell) < 1 or any(n > 1 and not periodic for n, periodic in zip(supercell, frame.pbc, strict=True)):
        what = f"supercell {list(supercell)} does not fit"
        if frame.cell.rank == 0:
            raise SettingError(
                f"{what}: the file has no cell",
                hint="leave supercell out, or give a file with a cell (cif, POSCAR, extxyz with Lattice and pbc)",
            )
        raise SettingError(
            f"{what} a frame with pbc {[bool(flag) for flag in frame.pbc]}",
            hint="give three numbers of at least 1, and 1 along every direction that is not periodic",
        )
    cells = prod(supercell)
    if cells * len(frame) > MOST_ATOMS:
        what = f"supercell {shortened(str(list(supercell)))} of {len(frame)} atoms would hold more than {MOST_ATOMS}"
        raise SettingError(what, hint="no engine or model here could take it; write smaller numbers")
    if cells == 1:
        return with_origin(without_labels(frame))
    large = without_labels(frame).repeat(supercell)
    if "charge" in large.info:
        large.info["charge"] = large.info["charge"] * cells
    if "spin" in large.info:
        large.info["spin"] = (large.info["spin"] - 1) * cells + 1
    return with_origin(large)


def _check(count: int, displacement_A: float, strain: float, style: str, fraction: float) -> None:
    wrong = {
        f"count is {count}": count < 0,
        f"displacement_A is {displacement_A}": not displacement_A >= 0,
        f"strain is {strain}": not 0 <= strain < 0.5,
        f"fraction is {fraction}": not 0 < fraction <= 1,
        f"style is {style!r}": style not in {"normal", "uniform", "const"},
    }
    for what, holds in wrong.items():
        if holds:
            raise SettingError(
                what,
                where="perturb",
                hint="count and displacement_A are at least 0, strain is from 0 to 0.5, fraction above 0 up to 1, "
                "style one of normal, uniform, const",
            )


def _strain_cell(frame: Atoms, strains: _Strains) -> None:
    xx, yy, zz, yz, xz, xy = strains
    change = np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])
    periodic = frame.cell.array[frame.pbc]
    inside = np.linalg.pinv(periodic) @ periodic if len(periodic) else np.zeros((3, 3))
    deformation = np.eye(3) + (change if frame.pbc.all() else inside @ change @ inside)
    positions = frame.positions @ deformation
    frame.set_cell(frame.cell.array @ deformation, apply_constraint=False)
    frame.set_positions(positions, apply_constraint=False)


def _displacements(atoms: int, length_A: float, style: Style, generator: np.random.Generator) -> Positions:
    """Normal: length/sqrt(3) · N(0,1) per component; uniform: in a ball; const: on a sphere of that radius (Å)."""
    draws = generator.standard_normal((atoms, 3))
    if style == "normal":
        return np.asarray(length_A / np.sqrt(3.0) * draws)
    directions = draws / np.linalg.norm(draws, axis=1, keepdims=True)
    if style == "const":
        return np.asarray(length_A * directions)
    return np.asarray(length_A * np.cbrt(generator.random((atoms, 1))) * directions)
