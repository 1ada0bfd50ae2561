"""Density, g(r) and coordination of known structures, and of an ideal gas."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pfd.errors import DataError
from pfd.frames.radial import radial_structure


@pytest.mark.parametrize(
    ("crystal", "neighbours", "bond", "density"),
    [
        (bulk("Si", cubic=True), 4, 2.351, 2.33),
        (bulk("Cu", cubic=True), 12, 2.553, 8.97),
        (bulk("NaCl", "rocksalt", a=5.64, cubic=True), 6, 2.82, 2.16),
    ],
)
def test_crystals(crystal: Atoms, neighbours: int, bond: float, density: float) -> None:
    frame = crystal.repeat(2)
    frame.rattle(0.02, seed=0)
    found = radial_structure([frame])
    assert found.coordinations == {neighbours: 1.0}
    assert found.coordination == neighbours
    assert found.first_peak_A == pytest.approx(bond, abs=0.01)
    assert found.density_g_per_cm3 == pytest.approx(density, rel=0.01)


def test_the_first_peak_is_placed_between_the_bins() -> None:
    for bond in (2.31, 2.33, 2.351, 2.37, 2.395):
        frame = bulk("Si", a=bond * 4.0 / np.sqrt(3.0), cubic=True).repeat(2)
        frame.rattle(0.02, seed=0)
        assert radial_structure([frame]).first_peak_A == pytest.approx(bond, abs=0.005)


def test_a_crystal_that_grows_by_a_per_cent_keeps_its_first_shell() -> None:
    displacements = np.random.default_rng(0).normal(size=(20, 108, 3)) * 0.2
    found = []
    for scale in (1.0, 1.01, 1.02):
        frames = []
        for each in displacements:
            frame = bulk("Cu", cubic=True, a=3.6 * scale).repeat(3)
            frame.positions += scale * each
            frames.append(frame)
        found.append(radial_structure(frames))
        assert found[-1].first_minimum_A / scale == pytest.approx(found[0].first_minimum_A, abs=0.005)
        assert found[-1].coordination == pytest.approx(found[0].coordination, abs=0.01)


def test_an_ideal_gas_is_flat() -> None:
    generator = np.random.default_rng(0)
    frames = [Atoms("Ar400", positions=generator.random((400, 3)) * 20.0, cell=[20.0] * 3, pbc=True) for _ in range(10)]
    g = np.array(radial_structure(frames).g)
    assert g[20:].mean() == pytest.approx(1.0, abs=0.01)
    assert np.abs(g[30:] - 1.0).max() < 0.1


def test_the_integral_of_g_is_the_coordination() -> None:
    frame = bulk("Si", cubic=True).repeat(2)
    frame.rattle(0.1, seed=1)
    found = radial_structure([frame])
    r, g = np.array(found.r_A), np.array(found.g)
    inside = r < found.first_minimum_A
    edges = np.append(r - 0.05, r[-1] + 0.05)
    shells = (4.0 / 3.0 * np.pi * np.diff(edges**3))[inside]
    assert (g[inside] * shells).sum() * len(frame) / frame.cell.volume == pytest.approx(found.coordination, rel=0.02)


def test_what_has_no_volume_is_refused() -> None:
    with pytest.raises(DataError, match="periodic"):
        radial_structure([Atoms("H2", positions=[[0, 0, 0], [0, 0, 1]])])
    with pytest.raises(DataError):
        radial_structure([])
