"""The nuclear repulsion: the same function here and in LAMMPS, nothing where training frames are, a wall below."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import given
from hypothesis import strategies as st
from tests.models.test_pod import SMALL, frames, rms

from pfd.errors import ModelError
from pfd.frames import Labels, with_labels
from pfd.frames.neighbours import shortest_distance
from pfd.lammps.session import LammpsPotential, LammpsSession
from pfd.models.family import Model, write_model
from pfd.models.pod import POD
from pfd.models.pod_fit import PODFitSettings
from pfd.models.pod_potential import PODPotential
from pfd.models.repulsion import Repulsion, all_pairs, pair_key, ranges_of_frames
from pfd.models.snap import SNAP, SNAPFitSettings
from pfd.models.squeeze import COMPRESSED, CROWDS, NEAREST_A, compressions, crowds, pushes
from pfd.models.uf3 import UF3, UF3FitSettings
from pfd.models.uf3_basis import UF3Basis

RANGES = {"C-C": (1.0, 2.9), "C-Si": (1.2, 2.6), "Si-Si": (1.0, 2.9)}


def zincblende(a: float = 5.0, rattle: float = 0.3) -> Atoms:
    frame = bulk("SiC", "zincblende", a=a, cubic=True)
    frame.rattle(rattle, seed=1)
    return frame


@pytest.mark.lammps
@pytest.mark.parametrize("frame", [zincblende(), Atoms("CSi", positions=[[0, 0, 0], [0.5, 0.3, 0.1]])])
def test_it_is_the_function_of_lammps(frame):
    repulsion = Repulsion(("C", "Si"), RANGES)
    potential = repulsion.on_top_of(LammpsPotential("zero 5.0", ("* *",), ("C", "Si")))
    assert potential.pair_style.count("zbl") == 2  # one for each range
    with LammpsSession(potential) as session:
        session.place(frame)
        found = session.evaluate()
    own = repulsion.labels(frame)
    assert own.energy == pytest.approx(found.energy, abs=1e-9)
    assert own.forces == pytest.approx(found.forces, abs=1e-9)
    if frame.pbc.all():
        assert own.stress == pytest.approx(found.stress, abs=1e-7)


@given(st.sampled_from(sorted(RANGES)), st.floats(0.3, 3.5))
def test_it_only_ever_repels_and_ends_smoothly(pair, distance):
    repulsion = Repulsion(("C", "Si"), RANGES)
    outer = RANGES[pair][1]
    ends = [
        repulsion.labels(Atoms(pair.split("-"), positions=[[0, 0, 0], [r, 0, 0]])) for r in (distance, distance + 1e-5)
    ]
    slope = (ends[1].energy - ends[0].energy) / 1e-5
    assert slope == pytest.approx(ends[0].forces[0, 0], rel=1e-3, abs=1e-4)
    assert (slope < 0.0) == (distance < outer - 1e-5) or abs(slope) < 1e-9
    if distance > outer - 0.05:
        assert abs(ends[0].forces[0, 0]) < 0.2  # zero with its slope


def test_a_screened_nucleus_has_the_published_strength():
    # Two bare protons far inside the screening: 14.4 eV Å / r, and the sum of the four factors is one.
    frame = Atoms("H2", positions=[[0, 0, 0], [1e-4, 0, 0]])
    energy = Repulsion(("H",), {"H-H": (2.0, 3.0)}).labels(frame).energy
    assert energy == pytest.approx(14.399645 / 1e-4, rel=2e-3)


def test_ranges_end_at_the_shortest_distances_of_the_frames():
    frame = zincblende(rattle=0.1)
    found = ranges_of_frames([frame, zincblende(5.4, 0.1)], ("C", "H", "Si"), 4.5)
    assert set(found) == set(all_pairs(("C", "H", "Si")))
    distances = frame.get_all_distances(mic=True)
    mixed = distances[np.ix_(frame.symbols == "C", frame.symbols == "Si")].min()
    assert found[pair_key("Si", "C")][1] == pytest.approx(mixed, abs=1.1e-3)
    assert found[pair_key("Si", "C")][1] <= mixed
    assert found["H-H"][1] == pytest.approx(0.62, abs=0.01)  # they never meet: covalent radii
    assert Repulsion(("C", "H", "Si"), found).labels(frame).energy == 0.0


def test_an_unknown_element_is_refused():
    with pytest.raises(ModelError, match="does not know H"):
        Repulsion(("C", "Si"), RANGES).labels(Atoms("H"))


def test_pushes_end_where_the_repulsion_does_and_keep_what_surrounds_them():
    frame = zincblende(rattle=0.1)
    ranges = ranges_of_frames([frame], ("C", "Si"), 4.0)
    found = list(pushes([frame], ("C", "Si"), ranges, 4.0))
    assert {push.pairs[0][0] for push in found} == set(ranges)
    for push in found:
        ((pair, distance, part),) = push.pairs
        assert part == 1.0
        one, two = np.flatnonzero(push.along.any(axis=1))
        assert NEAREST_A < distance <= ranges[pair][1]
        assert push.frame.get_distance(one, two) == pytest.approx(distance)
        assert pair_key(*push.frame.symbols[[one, two]]) == pair
    assert {len(push.frame) for push in found if push.pairs[0][0] == "C-Si"} > {2}
    surrounded = max(found, key=lambda push: len(push.frame))
    first = pushes([frame], ("C", "Si"), ranges, 4.0)
    assert shortest_distance(next(first).frame, 4.0) == pytest.approx(ranges["C-C"][1])
    assert len(surrounded.frame) > 15


def test_crowds_are_several_neighbours_that_come_at_once():
    frame = zincblende(rattle=0.1)
    ranges = ranges_of_frames([frame], ("C", "Si"), 4.0)
    found = list(crowds([frame], ("C", "Si"), ranges, 4.0))
    assert {len(push.pairs) for push in found} == {2, 3, 4}  # the fifth stands behind the first
    metal = bulk("Mo", cubic=True)
    metal.rattle(0.05, seed=1)
    more = crowds([metal], ("Mo",), ranges_of_frames([metal], ("Mo",), 5.0), 5.0)
    assert {len(push.pairs) for push in more} == set(CROWDS)
    for push in found:
        drawn = np.flatnonzero(push.along.any(axis=1))
        assert drawn.tolist() == list(range(1, len(push.pairs) + 1))
        for atom, (pair, distance, part) in zip(drawn, push.pairs, strict=True):
            assert push.frame.get_distance(0, atom) == pytest.approx(distance)
            assert pair_key(*push.frame.symbols[[0, atom]]) == pair
            assert NEAREST_A <= distance <= ranges[pair][1]
            assert np.linalg.norm(push.along[atom]) == pytest.approx(part)
        assert shortest_distance(push.frame, 4.0) >= NEAREST_A


def test_what_the_forces_on_a_crowd_are_multiplied_with_is_how_it_moves():
    frame = zincblende(rattle=0.1)
    ranges = ranges_of_frames([frame], ("C", "Si"), 4.0)
    repulsion = Repulsion(("C", "Si"), dict.fromkeys(ranges, (4.0, 5.0)))
    found = list(crowds([frame], ("C", "Si"), ranges, 4.0))
    for far, near in pairwise(found):
        step = {round(one[1] - two[1], 9) for one, two in zip(far.pairs, near.pairs, strict=False)}
        if len(far.pairs) != len(near.pairs) or min(step) <= 0.0:  # another path
            continue
        way = max(step)
        energies = [repulsion.labels(push.frame).energy for push in (far, near)]
        outward = [float(np.sum(push.along * repulsion.labels(push.frame).forces)) for push in (far, near)]
        assert outward[0] < (energies[1] - energies[0]) / way < outward[1]


CHAIN = Atoms("C4", positions=[[0, 0, 1.3 * place] for place in range(4)], cell=[12, 12, 12])


@pytest.mark.parametrize(
    ("frame", "some"),
    [
        (CHAIN, True),  # an atom between two
        (Atoms("C2H2", positions=[[0, 0, z] for z in (0.0, 1.2, -1.06, 2.26)]), True),
        (Atoms("C2", positions=[[0, 0, 0], [0, 0, 1.2]]), False),
        (Atoms("C"), False),
    ],
)
def test_crowds_of_chains_and_of_few_atoms(frame, some):
    elements = tuple(sorted(set(frame.get_chemical_symbols())))
    found = list(crowds([frame], elements, ranges_of_frames([frame], elements, 4.0), 4.0))
    for push in found:
        assert shortest_distance(push.frame, 4.0) >= NEAREST_A
    assert bool(found) == some
    touching = dict.fromkeys(all_pairs(elements), (0.3, NEAREST_A))
    assert list(crowds([frame], elements, touching, 4.0)) == []


@pytest.mark.lammps
@pytest.mark.parametrize("family", ["pod", "snap", "uf3"])
def test_a_chain_of_atoms_is_fitted(family, tmp_path):
    generator = np.random.default_rng(0)
    train = []
    for _ in range(12):
        frame = CHAIN.copy()
        frame.positions += generator.normal(0.0, 0.05, frame.positions.shape)
        frame.calc = EMT()
        train.append(with_labels(frame, Labels(frame.get_potential_energy(), frame.get_forces())))
    student, settings = {
        "pod": (POD(), PODFitSettings(basis=SMALL, cutoff_A=4.5)),
        "snap": (SNAP(), SNAPFitSettings(twojmax=4, cutoff_A=4.5)),
        "uf3": (UF3(), UF3FitSettings()),
    }[family]
    student.fit(tmp_path, train, [], settings, seed=0)


@pytest.fixture(scope="module", params=["pod", "snap", "uf3"])
def students(request, tmp_path_factory):
    """A student with its repulsion, the same without, and the frames that both were fitted to."""
    train = frames(12, 0)
    family, settings = {
        "pod": (POD(), {"basis": SMALL}),
        "snap": (SNAP(), {"twojmax": 4}),
        "uf3": (UF3(), {"triple_cutoff_A": 4.0, "basis": UF3Basis(pair=9, leg=4, base=7)}),
    }[request.param]
    folders = []
    for repulsion in ("zbl", "none"):
        folder = tmp_path_factory.mktemp(f"{request.param}-{repulsion}")
        own = family.FitSettings(cutoff_A=4.5, repulsion=repulsion, **settings)
        write_model(folder, Model(card=family.fit(folder, train, [], own, seed=0)[0]))
        folders.append(folder)
    return family, *folders, train


@pytest.mark.lammps
def test_two_atoms_repel_from_the_shortest_training_distance_down_to_half_an_angstrom(students):
    family, folder, _, train = students
    outer = {pair: span[1] for pair, span in family.Potential.read(folder).repulsion_A.items()}
    calculator = family.calculator(folder)

    @given(st.sampled_from(sorted(outer)), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
    def monotone(pair, one, two):
        near, far = sorted(NEAREST_A + part * (outer[pair] - NEAREST_A) for part in (one, two))
        energies = []
        for distance in (near, far):
            dimer = Atoms(pair.split("-"), positions=[[0, 0, 0], [distance, 0, 0]])
            dimer.calc = calculator
            energies.append(dimer.get_potential_energy())
        assert energies[0] >= energies[1] - 1e-9

    monotone()
    potential = family.Potential.read(folder)
    found = [push for push in pushes(train, potential.elements, potential.repulsion_A, 4.5) if len(push.frame) > 2]
    assert {push.pairs[0][0] for push in found} == set(outer)
    for push in found[::3]:
        frame = push.frame.copy()
        frame.positions -= 0.02 * push.along  # between two of the distances that the fit was held to
        frame.calc = calculator
        assert np.sum(frame.get_forces() * push.along) > -1e-3


@pytest.mark.lammps
def test_frames_that_are_compressed_as_a_whole_rise_in_energy(students):
    family, folder, _, train = students
    calculator = family.calculator(folder)
    paths = list(compressions(train))
    assert 1 < len(paths) <= COMPRESSED
    for path in paths:
        energies = []
        for frame in path:
            frame.calc = calculator
            energies.append(frame.get_potential_energy())
        assert np.diff(energies).min() > -1e-6 * abs(energies[-1])


@pytest.mark.lammps
def test_neighbours_that_are_drawn_in_by_several_are_pushed_back(students):
    family, folder, _, train = students
    potential = family.Potential.read(folder)
    calculator = family.calculator(folder)
    outward = []
    for push in crowds(train, potential.elements, potential.repulsion_A, potential.cutoff_A):
        frame = push.frame.copy()
        frame.calc = calculator
        outward.append(float(np.sum(push.along * frame.get_forces())))
    assert len(outward) > 50
    assert min(outward) > -1e-6


def test_compressions_begin_at_the_densest_bulk_frame_and_leave_slabs_out():
    loose, dense = zincblende(a=5.4), zincblende(a=5.0)
    slab = zincblende(a=4.0)
    slab.center(vacuum=12.0, axis=2)
    paths = list(compressions([loose, slab, dense]))
    assert len(paths) == 2
    for path in paths:
        volumes = [frame.cell.volume for frame in path]
        assert volumes[0] == pytest.approx(125.0)
        assert volumes == sorted(volumes, reverse=True)
        assert 0.15 < volumes[-1] / volumes[0] < 0.2
    assert list(compressions([slab])) == []


@pytest.mark.lammps
def test_errors_where_the_frames_are_do_not_change(students):
    family, folder, plain, train = students
    assert all(family.Potential.read(folder).repulsion.labels(frame).energy == 0.0 for frame in train)
    with_wall, without = (family.predict(each, train) for each in (folder, plain))
    moved = rms([one.forces - two.forces for one, two in zip(with_wall, without, strict=True)])
    # of these few frames little holds the splines that begin below the shortest distance
    assert moved < (0.05 if isinstance(family, UF3) else 0.02) * rms([labels.forces for labels in with_wall])


@pytest.mark.lammps
def test_a_model_of_an_earlier_version_is_read(tmp_path):
    potential = PODPotential(elements=("C", "Si"), basis=SMALL, inner_cutoff_A=0.8, cutoff_A=4.5, repulsion_A=RANGES)
    text = potential.model_dump_json()
    start = text.index('"repulsion_A":')
    old = text[:start] + '"repulsion_A":[1.0,2.0]' + text[text.index("}", start) + 1 :]
    (tmp_path / "pod.json").write_text(old)
    assert PODPotential.read(tmp_path).repulsion_A == dict.fromkeys(("C-C", "C-Si", "Si-Si"), (1.0, 2.0))
