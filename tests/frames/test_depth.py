"""Depth below a surface, against what the construction of a slab says."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule

from pfd.frames.depth import depth_below_surface


@pytest.fixture
def slab():
    atoms = fcc111("Cu", size=(2, 2, 5), a=3.6, vacuum=8.0, periodic=True)
    atoms.info.clear()
    return atoms


def test_layers_of_a_slab(slab):
    spacing = 3.6 / np.sqrt(3.0)
    expected = np.repeat([0, 1, 2, 1, 0], 4) * spacing
    np.testing.assert_allclose(depth_below_surface(slab), expected, atol=1e-9)


@pytest.mark.parametrize("shift", [3.0, 10.0, 14.0, 20.0])
def test_where_a_slab_lies_in_its_cell_does_not_matter(slab, shift):
    before = depth_below_surface(slab)
    slab.positions[:, 2] += shift
    slab.wrap()
    np.testing.assert_allclose(depth_below_surface(slab), before, atol=1e-9)


def test_the_direction_of_the_vacuum_does_not_matter(slab):
    before = depth_below_surface(slab)
    turned = Atoms("Cu20", cell=slab.cell.array[[2, 0, 1]], positions=slab.positions, pbc=True)
    np.testing.assert_allclose(depth_below_surface(turned), before, atol=1e-9)
    slab.pbc = (True, True, False)
    np.testing.assert_allclose(depth_below_surface(slab), before, atol=1e-9)


def test_what_is_no_slab_has_no_depth(slab):
    wire = slab.copy()
    wire.cell[0] *= 4.0
    cluster = molecule("H2O", vacuum=8.0)
    for frame in (bulk("Cu", cubic=True), wire, cluster, Atoms("Cu"), Atoms()):
        assert depth_below_surface(frame) is None
    slab.pbc = (True, False, True)
    assert depth_below_surface(slab) is None
