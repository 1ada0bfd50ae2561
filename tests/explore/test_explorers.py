"""Explorers other than plain dynamics: relaxation, rattling, annealing, swaps and random structures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.eos import calculate_eos
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pfd.errors import DataError, ModelError, SettingError
from pfd.explore import Job
from pfd.explore.anneal import AnnealSettings
from pfd.explore.random_search import RandomSettings, random_structure, symbols_of
from pfd.explore.rattle import RattleSettings, displacement_widths
from pfd.explore.relax import RelaxSettings
from pfd.explore.settings import MDSettings
from pfd.explore.swap import SwapSettings, attempt_swap
from pfd.frames import MODEL_ENERGY_KEY, frame_id
from pfd.frames.neighbours import closest_contact
from pfd.lammps.session import LammpsPotential
from pfd.units import BOLTZMANN_EV_PER_K, GPA_PER_EV_PER_A3

ARGON = LammpsPotential("lj/cut 8.5", ("1 1 0.0104 3.4",), ("Ar",))


def copper(repeat: int = 2) -> Atoms:
    return bulk("Cu", cubic=True).repeat(repeat)


def job(start: Atoms | None, **changes: Any) -> Job:
    return Job(start, EMT, **{"seed": 1, "name": "run", "group": "s0-g0", **changes})


class Einstein(Calculator):
    """Each atom is tied to its site by a spring of its element: everything is known exactly."""

    implemented_properties = ("energy", "forces")

    def __init__(self, sites: np.ndarray, stiffness: dict[int, float]) -> None:
        super().__init__()
        self.sites, self.stiffness = sites, stiffness

    def calculate(self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        shift = self.atoms.positions - self.sites
        springs = np.array([self.stiffness[int(number)] for number in self.atoms.numbers])[:, None]
        self.results = {"energy": float(0.5 * (springs * shift**2).sum()), "forces": -springs * shift}


class TestRattle:
    def test_widths_of_springs_are_exact(self) -> None:
        frame = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
        springs = {11: 2.0, 17: 5.0}
        widths = displacement_widths(frame, Einstein(frame.positions, springs), 500.0, np.random.default_rng(0))
        expected = np.sqrt(BOLTZMANN_EV_PER_K * 500.0 / np.array([springs[int(n)] for n in frame.numbers]))
        assert widths == pytest.approx(expected, rel=1e-9)

    def test_the_energy_is_that_of_the_temperature(self) -> None:
        start = copper(3)
        start.calc = EMT()
        base = start.get_potential_energy() / len(start)
        found = RattleSettings(temperatures_K=(300.0,), frames=10, strain=0.0).run(job(start, temperature_K=300.0))
        stored = [frame.info[MODEL_ENERGY_KEY] / len(frame) - base for frame in found.frames]
        assert np.mean(stored) == pytest.approx(1.5 * BOLTZMANN_EV_PER_K * 300.0, rel=0.15)  # EMT is not quite harmonic

    def test_frames_carry_their_origin_and_their_seed(self) -> None:
        wanted = RattleSettings(temperatures_K=(300.0, 600.0), frames=3)
        runs = [wanted.run(job(copper(), temperature_K=300.0, seed=seed)) for seed in (1, 1, 2)]
        ids = [[frame.info["id"] for frame in run.frames] for run in runs]
        assert ids[0] == ids[1] != ids[2]
        assert runs[0].finished
        assert runs[0].mean_temperature_K is None
        for step, frame in enumerate(runs[0].frames, 1):
            assert frame.info["temperature_K"] == 300.0
            assert frame.info["parent"] == frame_id(copper())
            assert frame.info["step"] == step
            assert frame.cell.volume != pytest.approx(copper().cell.volume, rel=1e-6)

    def test_fixed_atoms_stay_and_a_slab_keeps_its_thickness(self) -> None:
        slab = fcc111("Cu", (3, 3, 3), vacuum=8.0)
        slab.set_constraint(FixAtoms(range(9)))
        (frame,) = (
            RattleSettings(temperatures_K=(300.0,), frames=1, strain=0.0).run(job(slab, temperature_K=300.0)).frames
        )
        assert np.array_equal(frame.positions[:9], slab.positions[:9])
        assert not np.isclose(frame.positions[9:], slab.positions[9:]).all()

    def test_frames_that_make_no_sense_are_left_out_and_counted(self) -> None:
        found = RattleSettings(temperatures_K=(2e4,), frames=6).run(job(copper(), temperature_K=3e5))
        assert len(found.frames) + found.discarded == 6
        assert not found.finished
        assert "too close" in str(found.stop_reason)

    def test_where_nothing_can_move_nothing_is_rattled_or_relaxed(self) -> None:
        fixed = copper()
        fixed.set_constraint(FixAtoms(range(len(fixed))))
        for explorer in (RattleSettings(temperatures_K=(300.0,)), RelaxSettings()):
            with pytest.raises(DataError, match="nothing can move"):
                explorer.require(fixed)
            with pytest.raises(DataError, match="nothing can move"):
                explorer.require(bulk("Cu"))

    def test_a_structure_without_stiffness_is_refused(self) -> None:
        frame = copper()
        unstable = Einstein(frame.positions, {29: -1.0})
        with pytest.raises(DataError, match="no stiffness for Cu"):
            displacement_widths(frame, unstable, 300.0, np.random.default_rng(0))


class TestRelax:
    def test_it_ends_in_a_minimum_and_keeps_the_way(self) -> None:
        found = RelaxSettings(displacement_A=0.2, fmax_eV_per_A=0.01, every=5).run(job(copper()))
        assert found.finished
        last = found.frames[-1].copy()
        last.calc = EMT()
        assert np.linalg.norm(last.get_forces(), axis=1).max() <= 0.01
        energies = [frame.info[MODEL_ENERGY_KEY] for frame in found.frames]
        assert energies[0] > energies[-1]
        assert len({frame.info["step"] for frame in found.frames}) == len(found.frames) > 2
        assert found.frames[0].info.get("temperature_K") is None

    def test_the_cell_goes_where_the_equation_of_state_says(self) -> None:
        wanted = RelaxSettings(cell="isotropic", displacement_A=0.0, fmax_eV_per_A=1e-3, steps=300)
        found = wanted.run(job(copper(1), pressure_GPa=0.0))
        start = copper(1)
        start.calc = EMT()
        volume, _, _ = calculate_eos(start, eps=0.02).fit()
        assert found.frames[-1].cell.volume == pytest.approx(volume, rel=2e-3)

    def test_under_pressure_the_stress_balances_it(self) -> None:
        wanted = RelaxSettings(cell="full", pressures_GPa=(5.0,), displacement_A=0.05, fmax_eV_per_A=2e-3, steps=400)
        found = wanted.run(job(copper(1), pressure_GPa=5.0))
        last = found.frames[-1].copy()
        last.calc = EMT()
        stress = last.get_stress() * GPA_PER_EV_PER_A3
        assert stress[:3] == pytest.approx([-5.0] * 3, abs=0.1)
        assert last.info["pressure_GPa"] == 5.0

    def test_two_seeds_take_two_ways(self) -> None:
        ways = [RelaxSettings(steps=20).run(job(copper(), seed=seed)).frames[0].info["id"] for seed in (1, 1, 2)]
        assert ways[0] == ways[1] != ways[2]

    def test_what_has_no_cell_to_relax_is_refused(self) -> None:
        moving = RelaxSettings(cell="full")
        with pytest.raises(DataError, match="bulk"):
            moving.require(fcc111("Cu", (2, 2, 3), vacuum=8.0))
        fixed = copper()
        fixed.set_constraint(FixAtoms([0]))
        with pytest.raises(DataError, match="fixed atoms"):
            moving.require(fixed)
        without_stress = Job(copper(), lambda: Einstein(copper().positions, {29: 1.0}), pressure_GPa=0.0)
        with pytest.raises(ModelError, match="stress"):
            moving.run(without_stress)
        with pytest.raises(ValidationError, match="cell that moves"):
            RelaxSettings(pressures_GPa=(1.0,))


class TestAnneal:
    def test_the_bath_is_followed(self) -> None:
        wanted = AnnealSettings(ramp_K=(100.0, 900.0), steps=400, every=10, timestep_fs=4.0, coupling_fs=20.0)
        temperatures: list[float] = []
        found = wanted.run(
            job(copper(3), progress=lambda fraction, text: temperatures.append(float(text.split(", ")[1].split()[0])))
        )
        assert found.finished
        assert len(found.frames) == 40
        assert np.mean(temperatures[5:15]) < np.mean(temperatures[20:30]) < np.mean(temperatures[-10:])
        assert np.mean(temperatures[-5:]) == pytest.approx(850.0, rel=0.2)
        assert found.frames[0].info.get("temperature_K") is None
        assert found.frames[0].info["group"] == "s0-g0"

    @pytest.mark.lammps
    @pytest.mark.parametrize("ensemble", ["nvt", "npt"])
    def test_lammps_follows_it_too(self, ensemble: str) -> None:
        wanted = AnnealSettings(
            ramp_K=(10.0, 40.0, 10.0),
            steps=2000,
            every=20,
            ensemble=ensemble,
            coupling_fs=100.0,
            timestep_fs=5.0,
        )
        seen: list[tuple[float, float]] = []
        argon = bulk("Ar", "fcc", a=5.26, cubic=True).repeat(4)
        found = wanted.run(
            Job(
                argon,
                EMT,
                ARGON,
                seed=2,
                progress=lambda fraction, text: seen.append((fraction, float(text.split(", ")[1].split()[0]))),
            )
        )
        assert found.finished
        middle = np.mean([heat for fraction, heat in seen if 0.4 < fraction < 0.6])
        end = np.mean([heat for fraction, heat in seen if fraction > 0.9])
        assert middle == pytest.approx(35.0, rel=0.2)
        assert end == pytest.approx(11.5, rel=0.3)
        assert [frame.info["step"] for frame in found.frames] == list(range(20, 2001, 20))

    def test_constant_pressure_needs_lammps(self) -> None:
        wanted = AnnealSettings(ramp_K=(300.0, 600.0), steps=10, every=5, ensemble="npt")
        assert wanted.needs_lammps
        with pytest.raises(SettingError, match="pair style"):
            wanted.run(job(copper()))


class TestSwap:
    @pytest.mark.parametrize("rise_eV", [0.0, 0.03, -0.05])
    def test_two_places_are_taken_as_boltzmann_says(self, rise_eV: float) -> None:
        class LeftCosts(Calculator):
            implemented_properties = ("energy", "forces")

            def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
                super().calculate(atoms, properties, system_changes)
                gold = self.atoms.numbers == 79
                left = float(self.atoms.positions[gold, 0][0] < 1.0)
                self.results = {"energy": rise_eV * left, "forces": np.zeros((2, 3))}

        atoms = Atoms("CuAu", positions=[[0, 0, 0], [2.5, 0, 0]])
        atoms.calc = LeftCosts()
        generator = np.random.default_rng(5)
        dynamics = SimpleNamespace(nsteps=1, atoms=atoms)
        left = 0
        for _ in range(4000):
            attempt_swap(dynamics, every=1, temperature_K=300.0, generator=generator)
            left += atoms.positions[1, 0] < 1.0
        expected = 1.0 / (1.0 + np.exp(rise_eV / (BOLTZMANN_EV_PER_K * 300.0)))
        assert left / 4000 == pytest.approx(expected, abs=0.03)

    def test_atoms_change_places_and_nothing_else(self) -> None:
        alloy = copper()
        alloy.symbols[::2] = "Au"
        alloy.set_cell(alloy.cell * 1.06, scale_atoms=True)
        alloy.set_constraint(FixAtoms([0, 1]))
        wanted = SwapSettings(temperatures_K=(900.0,), steps=60, every=10, swap_every=2, equilibrate_steps=0)
        found = wanted.run(job(alloy, temperature_K=900.0))
        assert found.finished
        last = found.frames[-1]
        assert np.array_equal(last.numbers, alloy.numbers)
        assert np.array_equal(last.positions[:2], alloy.positions[:2])
        moved = np.linalg.norm(last.positions - alloy.positions, axis=1)
        assert (moved > 1.5).sum() >= 2  # nothing diffuses so far in 60 fs
        assert closest_contact(last) > 0.7

    def test_one_element_is_refused(self) -> None:
        with pytest.raises(DataError, match="no two elements"):
            SwapSettings(temperatures_K=(300.0,), steps=20).require(copper())


class TestRandom:
    @given(seed=st.integers(0, 2**32 - 1), formula=st.sampled_from(["Si8", "NaCl", "Ti2O4", "Cu", "LiCoO2"]))
    def test_structures_are_sane(self, seed: int, formula: str) -> None:
        frame = random_structure(formula, (1.5, 3.0), 0.75, np.random.default_rng(seed))
        assert sorted(frame.get_chemical_symbols()) == sorted(symbols_of(formula))
        assert frame.pbc.all()
        assert closest_contact(frame, 0.75) >= 0.75
        assert (frame.cell.angles() > 59.9).all()
        assert (frame.cell.angles() < 120.1).all()
        again = random_structure(formula, (1.5, 3.0), 0.75, np.random.default_rng(seed))
        assert frame_id(frame) == frame_id(again)

    def test_they_are_relaxed_and_the_first_is_kept(self) -> None:
        wanted = RandomSettings(formulas=("Cu8",), steps=40, every=10)
        found = wanted.run(job(None, formula="Cu8"))
        assert found.finished
        energies = [frame.info[MODEL_ENERGY_KEY] for frame in found.frames]
        assert found.frames[0].info["step"] == 0
        assert energies[-1] < energies[0]
        assert len(found.frames) == 5

    def test_without_relaxation_only_the_drawn_one_is_kept(self) -> None:
        found = RandomSettings(formulas=("Cu8",), steps=0).run(job(None, formula="Cu8", progress=lambda *_: None))
        assert [frame.info["step"] for frame in found.frames] == [0]

    def test_no_room_is_told(self) -> None:
        with pytest.raises(DataError, match="found no room"):
            random_structure("Si8", (0.5, 0.5), 1.5, np.random.default_rng(0))

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"formulas": []}, "at least 1 item"),
            ({"formulas": ["8Si8x"]}, "no formula"),
            ({"formulas": ["Qq2"]}, "no element"),
            ({"formulas": ["Cu0"]}, "nothing"),
            ({"formulas": ["Si8", "Si8"]}, "twice"),
            ({"volume_factor": [3.0, 1.0]}, "smaller first"),
            ({"structures": [0]}, "None"),
        ],
    )
    def test_mistakes_are_refused(self, changes: dict[str, Any], says: str) -> None:
        with pytest.raises(ValidationError, match=says):
            RandomSettings(**{"formulas": ["Si8"], **changes})


def test_lammps_can_be_asked_for() -> None:
    assert MDSettings(method="lammps", temperatures_K=(300.0,), steps=100).needs_lammps
    assert not MDSettings(temperatures_K=(300.0,), steps=100).needs_lammps


@pytest.mark.parametrize(
    ("values", "says"), [((300.0, 600.0, 300.0), "300 twice"), (tuple(map(float, range(1, 1002))), "1001 values: 1000")]
)
def test_a_grid_names_each_value_once_and_not_thousands(values: tuple[float, ...], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RattleSettings(temperatures_K=values)
    assert len(RattleSettings(temperatures_K=tuple(map(float, range(1, 1001)))).temperatures_K) == 1000
