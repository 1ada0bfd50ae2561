import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms, FixedLine
from ase.md.velocitydistribution import thermalize_momenta

from pfd.errors import DataError, SettingError
from pfd.lammps.md import run_lammps_md
from pfd.lammps.session import LammpsPotential

ARGON_LIKE = LammpsPotential("lj/cut 6.0", ("1 1 0.1 2.6",), ("Cu",))


@pytest.fixture
def crystal():
    frame = bulk("Cu", a=4.05, cubic=True).repeat((3, 3, 3))
    frame.rotate(25, (1, 2, 3), rotate_cell=True)
    thermalize_momenta(frame, temperature_K=200, rng=np.random.default_rng(3))
    momenta = frame.get_momenta()
    frame.set_momenta(momenta - momenta.mean(axis=0))
    return frame


def run(frame, **arguments):
    return list(
        run_lammps_md(ARGON_LIKE, frame, **{"steps": 200, "every": 50, "temperatures_K": (100.0,), **arguments})
    )


@pytest.mark.lammps
def test_nve_keeps_the_energy_and_the_momenta(crystal):
    stored = run(crystal, ensemble="nve")
    assert [entry.step for entry in stored] == [0, 50, 100, 150, 200]
    assert np.allclose(stored[0].frame.positions, crystal.positions, atol=1e-9)
    assert np.allclose(stored[0].frame.get_momenta(), crystal.get_momenta(), atol=1e-6)
    total = [entry.energy + entry.frame.get_kinetic_energy() for entry in stored]
    assert np.ptp([entry.energy for entry in stored]) > 0.1
    assert np.ptp(total) < 0.01
    assert np.allclose(stored[-1].frame.get_momenta().sum(axis=0), 0, atol=1e-6)
    degrees = 3 * len(crystal)
    expected = crystal.get_temperature() * degrees / (degrees - 3)
    assert stored[0].temperature_K == pytest.approx(expected, rel=1e-5)


@pytest.mark.lammps
@pytest.mark.parametrize(
    "arguments",
    [
        {"ensemble": "nvt"},
        {"ensemble": "nvt", "thermostat": "bussi"},
        {"ensemble": "npt"},
        {"ensemble": "npt", "barostat": "isotropic"},
    ],
)
def test_thermostats_reach_their_temperature_and_repeat_themselves(crystal, arguments):
    stored = run(crystal, steps=2500, thermostat_time_fs=50.0, timestep_fs=2.0, barostat_time_fs=500.0, **arguments)
    assert np.mean([entry.temperature_K for entry in stored[15:]]) == pytest.approx(100.0, rel=0.1)
    again = run(crystal, steps=200, thermostat_time_fs=50.0, timestep_fs=2.0, barostat_time_fs=500.0, **arguments)
    assert np.array_equal(again[-1].frame.positions, stored[4].frame.positions)


@pytest.mark.lammps
def test_noise_follows_the_seed(crystal):
    one, two = (run(crystal, ensemble="nvt", seed=seed)[-1].frame.positions for seed in (0, 1))
    assert not np.allclose(one, two, atol=1e-4)


@pytest.mark.lammps
def test_pressure_shrinks_the_cell_along_its_own_axes(crystal):
    free, pressed = (
        run(crystal, ensemble="npt", steps=1500, pressure_GPa=pressure, barostat_time_fs=200.0)[-1].frame
        for pressure in (0.0, 4.0)
    )
    assert pressed.get_volume() < 0.98 * free.get_volume()
    directions = [frame.cell.array[0] / np.linalg.norm(frame.cell.array[0]) for frame in (crystal, pressed)]
    assert directions[0] @ directions[1] > 0.999


@pytest.mark.lammps
def test_fixed_atoms_stay_and_the_rest_moves(crystal):
    crystal.pbc = (True, True, False)
    crystal.set_constraint(FixAtoms([0, 5]))
    last = run(crystal, ensemble="nvt")[-1].frame
    moved = np.linalg.norm(last.positions - crystal.positions, axis=1)
    assert moved[[0, 5]].max() < 1e-9
    assert np.delete(moved, [0, 5]).min() > 1e-4
    assert np.allclose(last.cell.array, crystal.cell.array)


def test_what_cannot_be_run_is_refused(crystal):
    with pytest.raises(SettingError, match="no MD"):
        run(crystal, ensemble="nve", every=0)
    crystal.set_constraint(FixedLine(0, (1, 0, 0)))
    with pytest.raises(DataError, match="FixedLine"):
        run(crystal, ensemble="nve")
    crystal.set_constraint(FixAtoms([0]))
    with pytest.raises(DataError, match="npt"):
        run(crystal, ensemble="npt")
    crystal.pbc = False
    with pytest.raises(SettingError, match="periodic"):
        run(crystal, ensemble="npt")
