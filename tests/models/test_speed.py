import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

from pfd.errors import DataError
from pfd.lammps.session import LammpsPotential, LammpsSession
from pfd.models.speed import (
    STILLINGER_WEBER,
    TEMPERATURE_K,
    anchor_speed_us,
    calculator_speed_us,
    lammps_speed_us,
    timing_cell,
)


def test_cell_is_near_the_size_and_has_velocities():
    cell = timing_cell(bulk("Si"), 512)
    assert 512 <= len(cell) <= 1024
    assert cell.cell.lengths().max() < 2 * cell.cell.lengths().min()
    assert np.allclose(cell.get_momenta().sum(axis=0), 0)
    assert cell.get_temperature() == pytest.approx(TEMPERATURE_K, rel=0.1)
    slab = bulk("Si", cubic=True)
    slab.pbc = (True, True, False)
    assert timing_cell(slab, 100).cell.lengths()[2] == slab.cell.lengths()[2]
    with pytest.raises(DataError):
        timing_cell(Atoms())


def test_time_is_the_fastest_per_atom_and_step():
    # A clock that goes 4 s, then 2 s: two measurements of two steps of the eight atoms.
    ticks = itertools.chain([0.0, 4.0, 10.0, 12.0])
    speed = calculator_speed_us(
        LennardJones(), bulk("Si", cubic=True), atoms=8, steps=2, repeats=2, clock=lambda: next(ticks)
    )
    assert speed == pytest.approx(1e6 * 2.0 / (2 * 8))


@pytest.mark.lammps
def test_lammps_is_timed_the_same_way():
    ticks = itertools.chain([0.0, 3.0, 5.0, 6.0])
    potential = LammpsPotential("lj/cut 5.0", ("* * 0.1 2.0",), ("Si",))
    speed = lammps_speed_us(potential, bulk("Si", cubic=True), atoms=8, steps=5, repeats=2, clock=lambda: next(ticks))
    assert speed == pytest.approx(1e6 * 1.0 / (5 * 8))
    assert anchor_speed_us(atoms=64, steps=10, repeats=1) > 0


@pytest.mark.lammps
def test_anchor_is_stillinger_weber_silicon(tmp_path):
    """Its diamond crystal is at rest at 5.431 Å, two epsilon per atom deep, by construction (the paper, section II)."""
    file = tmp_path / "Si.sw"
    file.write_text(STILLINGER_WEBER)
    with LammpsSession(LammpsPotential("sw", (f"* * {file} Si",), ("Si",))) as session:
        session.place(bulk("Si", a=5.431))
        found = session.evaluate()
    assert found.energy / 2 == pytest.approx(-2 * 2.1682, rel=1e-3)
    assert np.abs(found.stress).max() < 2e-4
