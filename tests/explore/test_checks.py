"""Each stop check: silent on a healthy state, and heard on its own illness."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc111, molecule

from pfd.explore.checks import Baseline, EnergySpike, FragmentLeft, State, standard_checks
from pfd.explore.settings import StopSettings


def state(frame: Atoms, energy: float = -28.0, temperature_K: float = 300.0, force: float | None = 1.0) -> State:
    return State(7, frame, energy, temperature_K, force)


def heard(start: Atoms, now: State) -> list[str]:
    baseline = Baseline(start, -28.0, 300.0, 300.0, 3 * len(start) - 3)
    return [check.name for check in standard_checks(StopSettings(), baseline) if check.problem(now)]


def scaled(frame: Atoms, factor: float) -> Atoms:
    frame = frame.copy()
    frame.set_cell(frame.cell.array * factor, scale_atoms=True)
    return frame


COPPER = bulk("Cu", cubic=True).repeat(2)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (state(COPPER), []),
        (state(COPPER, force=None), []),
        (state(COPPER, energy=np.nan), ["not finite", "energy spike"]),
        (state(COPPER, force=np.inf), ["not finite"]),
        (state(COPPER, temperature_K=np.nan), ["not finite"]),
        (state(COPPER, temperature_K=2000.0), []),
        (state(COPPER, temperature_K=5000.0), ["temperature spike"]),
        (state(COPPER, energy=-28.0 + 1.02 * 32), []),
        (state(COPPER, energy=-28.0 + 1.05 * 32), ["energy spike"]),
        (state(COPPER, energy=-28.0 - 1.02 * 32), ["energy spike"]),
        (state(scaled(COPPER, 1.3)), ["lost volume"]),
        (state(scaled(COPPER, 0.7)), ["lost volume"]),
    ],
)
def test_on_copper(now: State, expected: list[str]) -> None:
    assert heard(COPPER, now) == expected


def test_a_melt_that_is_cooled_is_no_model_that_fell_into_a_hole() -> None:
    """Molybdenum's melt at 6000 K, with a thermostat of 600 K, loses 1 eV per atom in 0.8 ps, and model and teacher
    agree to 10 meV per atom on every frame of it."""
    times_fs = np.arange(10, 3010, 10)
    cooled = -2.0 * (1.0 - np.exp(-times_fs / 500.0))  # eV per atom

    def heard_at_fs(changes: np.ndarray, melt: bool = True, timestep_fs: float = 1.0) -> float | None:
        start = Baseline(COPPER, 0.0, 600.0, 600.0, 93, timestep_fs=timestep_fs, hotter_than_bath=melt)
        check = EnergySpike(start, 1.0)
        states = [State(round(t / timestep_fs), COPPER, 32 * e, 600.0) for t, e in zip(times_fs, changes, strict=True)]
        return next((timestep_fs * each.step for each in states if check.problem(each)), None)

    assert heard_at_fs(cooled) is None
    assert heard_at_fs(cooled, melt=False) == 350  # a crystal has no such heat to lose
    falls = cooled.copy()
    falls[200:] -= np.minimum(np.arange(len(falls) - 200) * 0.15, 5.0)  # 0.15 eV per atom in 10 fs
    assert heard_at_fs(falls) == heard_at_fs(falls, timestep_fs=2.0) == 2080
    assert heard_at_fs(1.7 * cooled) is not None  # slowly, but to where no melt goes


def test_close_atoms_across_the_boundary() -> None:
    frame = COPPER.copy()
    frame.positions[0] = [0.0, 0.0, 0.1]
    frame.positions[1] = [0.0, 0.0, frame.cell[2, 2] - 0.6]
    assert heard(COPPER, state(frame)) == ["too close"]


def test_a_molecule_that_flies_apart() -> None:
    start = molecule("CH3CH2OH")
    flown = start.copy()
    flown.positions[0] += 30.0
    assert heard(start, state(start)) == []
    assert heard(start, state(flown)) == ["fragment left"]


def test_few_atoms_may_fluctuate_more() -> None:
    start = molecule("H2O")
    assert heard(start, state(start, temperature_K=3000.0)) == []
    assert heard(COPPER, state(COPPER, temperature_K=3000.0)) == ["temperature spike"]


def chain(atoms: int, *, folded: bool) -> Atoms:
    """Carbon atoms 1.5 Å apart: in a straight line, or to and fro in rows of ten that stand 3 Å apart."""
    index = np.arange(atoms)
    line = np.stack([1.5 * index, 0.0 * index, 0.0 * index], axis=1)
    row, place = np.divmod(index, 10)
    coil = np.stack([1.5 * np.where(row % 2, 9 - place, place), 3.0 * row, 0.0 * index], axis=1)
    return Atoms(f"C{atoms}", positions=coil if folded else line)


def slab_with_adsorbate(height: float, periodic: bool) -> Atoms:
    slab = fcc111("Cu", (3, 3, 3), vacuum=20.0)
    add_adsorbate(slab, "O", height, "fcc")
    slab.pbc = (True, True, periodic)
    return slab


@pytest.mark.parametrize("periodic", [True, False])
def test_atoms_that_wander_along_a_surface_are_no_lost_volume(periodic: bool) -> None:
    start = slab_with_adsorbate(1.2, periodic)
    wandered = start.copy()
    wandered.positions[::2] += (
        7 * start.cell.array[0] - 12 * start.cell.array[1]
    )  # whole lattice vectors: nothing moved
    wandered.positions[-1] += [1.3, 0.8, 0.2]
    assert heard(start, state(wandered)) == []


@pytest.mark.parametrize("periodic", [True, False])
def test_an_adsorbate_that_flies_off_is_heard(periodic: bool) -> None:
    start = slab_with_adsorbate(1.2, periodic)
    assert heard(start, state(slab_with_adsorbate(7.5, periodic))) == []
    assert heard(start, state(slab_with_adsorbate(12.0, periodic))) == ["fragment left"]


@pytest.mark.parametrize("folded", [True, False])
def test_a_chain_may_fold_and_unfold_but_not_break(folded: bool) -> None:
    start, now = chain(60, folded=folded), chain(60, folded=not folded)
    assert heard(start, state(now)) == []
    now.positions[30:] += [9.0, 9.0, 9.0]
    assert heard(start, state(now)) == ["fragment left"]


def test_fragments_that_were_apart_at_the_start_may_stay_apart_and_meet() -> None:
    start = molecule("H2O") + Atoms("Ar", positions=[[0.0, 0.0, 15.0]])
    met = start.copy()
    met.positions[-1] = [0.0, 0.0, 4.0]
    assert heard(start, state(start)) == []
    assert heard(start, state(met)) == []
    met.positions[0] += [0.0, 40.0, 0.0]
    assert heard(start, state(met)) == []  # as many fragments as at the start
    met.positions[1] -= [0.0, 40.0, 0.0]
    assert heard(start, state(met)) == ["fragment left"]


def test_fragments_are_counted_anew_after_small_steps_that_add_up() -> None:
    start = molecule("H2O")
    check = FragmentLeft(start)
    now = start.copy()
    said = []
    for _ in range(60):
        now.positions[1] += [0.0, 0.2, 0.0]
        said.append(check.problem(state(now)))
    assert said[0] is None
    assert said[-1] is not None


@pytest.mark.parametrize("factor", [1e3, 1e5, 1e7])
def test_a_molecule_blown_to_pieces_is_heard_before_a_list_of_cells_is_made_of_it(factor: float) -> None:
    start = molecule("C6H6")
    blown = start.copy()
    blown.positions *= factor
    baseline = Baseline(start, -28.0, 300.0, 300.0, 33)
    said = [check.name for check in standard_checks(StopSettings(), baseline)]
    assert said[-1] == "too close"
    first = next(c.name for c in standard_checks(StopSettings(), baseline) if c.problem(state(blown)))
    assert first == "fragment left"
