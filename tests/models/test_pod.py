import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from pfd.errors import DataError, ModelError, SettingError
from pfd.frames import Labels, fit_energy_shift, labels_of, with_labels
from pfd.lammps.calculator import LammpsCalculator
from pfd.lammps.session import LammpsPotential, LammpsSession
from pfd.models.family import Model, model_digest, no_progress, write_model
from pfd.models.linear_fit import NEIGHBOURS, default_cutoff, fit_coefficients, weight_of
from pfd.models.linear_potential import Descriptors
from pfd.models.pod import POD
from pfd.models.pod_basis import PODBasis, PODDescriptors
from pfd.models.pod_fit import PRESETS, PRESETS_OF_SEVERAL, PODFitSettings, potential_for
from pfd.models.pod_potential import PODPotential
from pfd.models.repulsion import Repulsion
from pfd.models.snap import SNAPFitSettings
from pfd.models.squeeze import pushes

pytestmark = pytest.mark.lammps

TEACHER = LammpsPotential("morse 4.5", ("1 1 0.5 1.4 2.6", "1 2 0.7 1.5 2.3", "2 2 0.3 1.6 2.1"), ("Si", "C"))
LEVEL = "Morse"
SMALL = PODBasis(radial=(6, 3, 3, 2, 2, 2), angular=(3, 2, 2, 2, 2))


def labelled(frame: Atoms, offset_eV: float = 0.0) -> Atoms:
    with LammpsSession(TEACHER) as session:
        session.place(frame)
        found = session.evaluate()
    return with_labels(frame, Labels(found.energy + offset_eV * len(frame), found.forces, found.stress, LEVEL))


def frames(count: int, seed: int, *, two: bool = True, offset_eV: float = 0.0) -> list[Atoms]:
    """Rattled, strained and, with two elements, differently composed zincblende cells."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        frame = bulk("Si", "diamond", a=5.0, cubic=True)
        if two:
            frame.symbols[generator.permutation(8)[: generator.integers(1, 8)]] = "C"
        strain = np.eye(3) + generator.normal(scale=0.02, size=(3, 3))
        frame.set_cell(frame.cell.array @ strain, scale_atoms=True)
        frame.positions += generator.normal(scale=0.1, size=(8, 3))
        made.append(labelled(frame, offset_eV))
    return made


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pod two")  # the space is on purpose
    card, report = POD().fit(folder, frames(60, 0), frames(8, 1), PODFitSettings(basis=SMALL, cutoff_A=4.5), seed=0)
    write_model(folder, Model(card=card))
    return folder, card, report


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def test_two_elements_are_learnt_by_energy_and_forces(fitted):
    folder, card, report = fitted
    test = frames(6, 2)
    predicted = POD().predict(folder, test)
    truth = [labels_of(frame) for frame in test]
    force_error = rms([p.forces - t.forces for p, t in zip(predicted, truth, strict=True)])
    assert force_error < 0.15 * rms([t.forces for t in truth])
    energies = np.array([[p.energy, t.energy] for p, t in zip(predicted, truth, strict=True)]) / 8
    assert rms(energies[:, 0] - energies[:, 1]) < 0.2 * energies[:, 1].std()
    stress = np.array([[p.stress, t.stress] for p, t in zip(predicted, truth, strict=True)])
    assert np.corrcoef(stress[:, 0].ravel(), stress[:, 1].ravel())[0, 1] > 0.98
    assert card.elements == ("C", "Si")
    assert card.level_of_theory == LEVEL
    assert card.cutoff_A == 4.5
    assert card.parameters == len((folder / "coefficients.pod").read_text().split("\n")) - 2
    assert report.curve[0].valid_force_rmse_eV_per_A < 0.2 * rms([t.forces for t in truth])


def test_forces_and_stress_are_the_gradients_of_the_energy(fitted):
    frame = frames(1, 3)[0]
    frame.set_cell(frame.cell.array @ [[1, 0.1, 0], [0, 1, 0.2], [0, 0, 1]], scale_atoms=True)
    frame.calc = POD().calculator(fitted[0])
    forces, stress = frame.get_forces(), frame.get_stress()
    step = 1e-4
    for atom, axis in ((0, 0), (3, 1), (7, 2)):
        ends = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.positions[atom, axis] += sign * step
            moved.calc = frame.calc
            ends.append(moved.get_potential_energy())
        assert forces[atom, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-5)
    for index, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        ends = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            strained = frame.copy()
            strained.set_cell(frame.cell.array @ strain, scale_atoms=True)
            strained.calc = frame.calc
            ends.append(strained.get_potential_energy())
        assert stress[index] == pytest.approx((ends[0] - ends[1]) / (2 * step * frame.get_volume()), abs=1e-6)


def test_rotated_and_permuted_frames_are_the_same(fitted):
    frame = frames(1, 4)[0]
    order = np.random.default_rng(0).permutation(len(frame))
    turned = frame[order]
    turned.rotate(50, (3, 1, 2), rotate_cell=True)
    rotation = np.linalg.solve(frame.cell.array, turned.cell.array).T
    first, second = POD().predict(fitted[0], [frame, turned])
    assert second.energy == pytest.approx(first.energy, abs=1e-8)
    assert np.allclose(second.forces, first.forces[order] @ rotation.T, atol=1e-8)


def test_the_same_frames_give_the_same_bytes_and_a_copy_the_same_answer(fitted, tmp_path):
    folder, card, _ = fitted
    again, copy = tmp_path / "again", tmp_path / "copy"
    again.mkdir()
    copy.mkdir()
    other_card, _ = POD().fit(again, frames(60, 0), frames(8, 1), PODFitSettings(basis=SMALL, cutoff_A=4.5), seed=1)
    write_model(again, Model(card=other_card))
    assert model_digest(again) == model_digest(folder)
    assert POD().adopt(str(folder), None, copy) == card
    test = frames(2, 5)
    for one, two in zip(POD().predict(folder, test), POD().predict(copy, test), strict=True):
        assert one.energy == two.energy
        assert np.array_equal(one.forces, two.forces)


def test_descriptors_of_a_used_session_are_those_of_a_new_one(fitted):
    potential = PODPotential.read(fitted[0])
    arguments = (fitted[0] / "param.pod", potential.elements, potential.cutoff_A)
    near = frames(1, 8)[0]
    far = near.copy()
    far.positions += np.random.default_rng(0).normal(scale=0.6, size=far.positions.shape)
    with PODDescriptors(*arguments) as used, PODDescriptors(*arguments) as new:
        used.of(near)
        for one, two in zip(used.of(far), new.of(far), strict=True):
            assert np.allclose(one, two, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_descriptors_give_the_energy_and_stress_of_the_pair_style(fitted, seed):
    """LAMMPS turns the cell, and sorts the atoms by where they are: after every strain anew in an ordered crystal."""
    potential, coefficients = PODPotential.read(fitted[0]), PODPotential.read(fitted[0]).read_coefficients(fitted[0])
    generator = np.random.default_rng(seed)
    ordered = bulk("SiC", "zincblende", a=4.6, cubic=True).repeat((2, 2, 1))
    skewed = frames(1, seed)[0].repeat((1, 2, 1))
    skewed.set_cell(skewed.cell.array @ [[1, 0.1, 0], [0, 1, 0.2], [0.05, 0, 1]], scale_atoms=True)
    skewed.rotate(40, (1, 2, 3), rotate_cell=True)
    with potential.descriptors(fitted[0]) as descriptors:
        for made in (skewed, ordered):
            frame = made[generator.permutation(len(made))]
            (of_lammps,), own = POD().predict(fitted[0], [frame]), potential.repulsion.labels(frame)
            assert np.allclose(descriptors.energy(frame), descriptors.of(frame)[0], atol=1e-9)
            energy, stress = descriptors.energy(frame) @ coefficients, descriptors.stress(frame) @ coefficients
            assert energy + own.energy == pytest.approx(of_lammps.energy, abs=1e-8)
            assert np.allclose(stress + own.stress, of_lammps.stress, atol=1e-6)


@pytest.mark.parametrize(
    ("two", "count", "ridge"), [(False, 3, 1e-8), (False, 6, None), (False, 12, None), (True, 120, None)]
)
def test_stresses_are_learnt(tmp_path, two, count, ridge):
    """Energies and forces alone say little of strains; three frames learn nothing of them with the default's ridge."""
    train, test, errors = frames(count, 0, two=two), frames(20, 1, two=two), []
    for weight in (0.0, 0.5):
        folder = tmp_path / f"{weight:g}"
        folder.mkdir()
        settings = PODFitSettings(basis=SMALL, cutoff_A=4.5, stress_weight=weight, ridge=ridge)
        card, _ = POD().fit(folder, train, [], settings, seed=0)
        write_model(folder, Model(card=card))
        found = POD().predict(folder, test)
        errors.append(rms([one.stress - labels_of(each).stress for one, each in zip(found, test, strict=True)]))
    assert errors[1] < 0.75 * errors[0]


def test_a_frame_that_counts_thrice_is_fitted_like_three(tmp_path):
    some, labels = frames(6, 0), frames(2, 9)
    # those that are left open go by how many frames there are, and one that counts thrice is one
    settings = PODFitSettings(basis=SMALL, cutoff_A=4.5, ridge=1e-5, stress_weight=0.3, frame_weighting="equal")
    trains = {"once": some + labels, "thrice": some + 3 * labels, "copies": some + [f.copy() for f in 3 * labels]}
    for one, copy in zip(3 * labels, trains["copies"][len(some) :], strict=True):
        copy.calc = one.calc
    test, found = frames(3, 6), {}
    for name, train in trains.items():
        folder = tmp_path / name
        folder.mkdir()
        POD().fit(folder, train, [], settings, seed=0)
        found[name] = np.concatenate([np.ravel(labels.forces) for labels in POD().predict(folder, test)])
    assert np.abs(found["thrice"] - found["copies"]).max() < 1e-5
    assert np.abs(found["thrice"] - found["once"]).max() > 1e-3


def test_energy_shift_moves_each_element_by_its_own(fitted, tmp_path):
    POD().adopt(str(fitted[0]), None, tmp_path)
    test = frames(3, 6)
    before = POD().predict(tmp_path, test)
    POD().add_energy_shift(tmp_path, {"Si": 2.5, "C": -1.0})
    after = POD().predict(tmp_path, test)
    for frame, one, two in zip(test, before, after, strict=True):
        carbon = frame.get_chemical_symbols().count("C")
        assert two.energy - one.energy == pytest.approx(2.5 * (8 - carbon) - carbon, abs=1e-8)
        assert np.allclose(one.forces, two.forces, atol=1e-9)
    with pytest.raises(ModelError, match="no Ge"):
        POD().add_energy_shift(tmp_path, {"Ge": 1.0})


def test_frames_without_any_place_to_push_at_are_fitted(tmp_path):
    """Hydrogen from 0.5 to 0.8 Å: nothing is closer than what the frames hold."""
    train = []
    for distance in (0.5, 0.6, 0.7, 0.8):
        frame = Atoms("H2", [[0, 0, 0], [0, 0, distance]], cell=[8, 8, 8], pbc=True)
        force = 30.0 * (0.74 - distance)
        train.append(
            with_labels(frame, Labels(15.0 * (distance - 0.74) ** 2, np.array([[0, 0, -force], [0, 0, force]])))
        )
    _, report = POD().fit(tmp_path, train, [], PODFitSettings(basis=SMALL), seed=0)
    assert report.curve[0].train_force_rmse_eV_per_A < 1.0


def test_a_push_to_the_inner_cutoff_itself_decides_nothing(tmp_path):
    train = frames(20, 0, two=False)
    ranges = potential_for(train, [], PODFitSettings(basis=SMALL, cutoff_A=4.5)).repulsion.ranges_A
    pushed = list(pushes(train, ("Si",), ranges, 4.5))[10]
    at = float(pushed.frame.get_distance(0, 1, mic=True))
    settings = PODFitSettings(basis=SMALL, cutoff_A=4.5, inner_cutoff_A=at)
    _, report = POD().fit(tmp_path, train, [], settings, seed=0)
    with potential_for(train, [], settings).descriptors(tmp_path) as descriptors:
        assert not np.isfinite(descriptors.of(pushed.frame)[1]).all()
    assert report.curve[0].train_force_rmse_eV_per_A < 0.1 * rms([labels_of(frame).forces for frame in train])


def test_a_large_constant_in_the_labels_does_not_blur_the_fit(tmp_path):
    settings = PODFitSettings(basis=SMALL, cutoff_A=4.5, ridge=1e-8)
    reports = []
    for offset in (0.0, -4000.0):
        folder = tmp_path / str(offset)
        folder.mkdir()
        reports.append(POD().fit(folder, frames(20, 0, offset_eV=offset), [], settings, seed=0)[1])
    errors = [report.curve[0].train_force_rmse_eV_per_A for report in reports]
    assert errors[1] == pytest.approx(errors[0], rel=1e-3)


def test_sizes_and_default_cutoff():
    silicon = bulk("Si", "diamond", a=5.43, cubic=True)
    assert default_cutoff([silicon]) == pytest.approx(4.64, abs=0.03)
    assert default_cutoff([bulk("Cu", cubic=True)]) == 4.2  # beyond the second shell at 3.6 Å, whose tail would be cut
    assert default_cutoff([Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2]])]) == 5.0
    assert set(PRESETS) == set(PRESETS_OF_SEVERAL) == {"XS", "S", "M", "L"}
    few = PODFitSettings(size="XS").neighbours
    assert default_cutoff([silicon], few) == pytest.approx(4.24, abs=0.03)  # two shells, at 2.35 and 3.84 Å
    assert default_cutoff([bulk("Cu", cubic=True)], few) == pytest.approx(3.84, abs=0.02)
    assert PODFitSettings(size="S").neighbours == NEIGHBOURS
    with pytest.raises(ValidationError, match="may not grow"):
        PODBasis(radial=(6, 3, 4, 2, 2, 2))


def test_the_ridge_falls_as_equations_grow():
    silicon = [bulk("Si", cubic=True)] * 10  # 240 force components
    ridges = [PODFitSettings().ridge_of(silicon, coefficients) for coefficients in (200, 80, 44, 24, 2)]
    assert ridges == pytest.approx([1e-5, 1e-5, 10.0**-6.053, 1e-8, 1e-8], rel=1e-2)
    assert PODFitSettings(ridge=1e-3).ridge_of(silicon, 2) == 1e-3
    assert SNAPFitSettings().ridge_of(silicon, 200) == 1e-8


def test_stresses_and_calm_frames_count_as_far_as_equations_are_many():
    silicon = bulk("Si", cubic=True).repeat(2)

    def frames(count, force):
        return [with_labels(silicon, Labels(0.0, np.full((64, 3), force))) for _ in range(count)]

    ten = frames(10, 1.0)  # 1920 force components
    weights = [PODFitSettings().stress_weight_of(ten, coefficients) for coefficients in (3, 240, 2400)]
    assert weights == pytest.approx([2.0, 0.2, 0.02])
    assert SNAPFitSettings().stress_weight_of(ten, 9) == 0.5
    assert PODFitSettings(stress_weight=0.7).stress_weight_of(ten, 960) == 0.7
    calm = [PODFitSettings().max_frame_weight(ten, coefficients) for coefficients in (3, 20, 96)]
    assert calm == pytest.approx([5.0, 2.4, 1.0])
    assert PODFitSettings(frame_weighting="equal").max_frame_weight(ten, 3) == 1.0
    assert SNAPFitSettings().max_frame_weight(ten, 3) == 1.0
    assert PODFitSettings().max_frame_weight(ten + frames(9, 0.0), 20) == pytest.approx(2.4)  # zeros are no equations
    assert PODFitSettings().max_frame_weight(ten + frames(11, 0.0), 20) == 1.0  # and many enough
    assert PODFitSettings().stress_weight_of(frames(10, 0.0), 240) == pytest.approx(0.2)  # all that such crystals tell


def test_a_calm_frame_counts_more_and_a_hot_one_less():
    assert [weight_of(own, 1.0, 3.0) for own in (0.0, 0.2, 0.5, 1.0, 4.0)] == [3.0, 3.0, 2.0, 1.0, 0.25]
    assert weight_of(0.0, 0.0, 3.0) == 1.0


class OneCoefficient(Descriptors):
    """Forces of 1 eV/Å along x on each atom, and an energy of 1 eV per atom, times the only coefficient."""

    def __init__(self):
        self.elements, self.cutoff_A = ("Si",), 4.0

    def of(self, frame):
        return self.energy(frame), np.tile([[1.0], [0.0], [0.0]], (len(frame), 1))

    def energy(self, frame):
        return np.array([float(len(frame))])


def test_forces_count_by_the_weight_of_their_frame_and_energies_at_most_once():
    cluster, forces = Atoms("Si4", positions=np.eye(4, 3)), [0.1, 0.5, 1.0, 2.0, 4.0]  # along x, eV/Å
    made = [with_labels(cluster, Labels(0.3 * 4, np.outer(np.full(4, force), [1.0, 0, 0]))) for force in 20 * forces]
    settings = PODFitSettings(repulsion="none", energy_weight=10.0)
    shift = fit_energy_shift(made, [labels_of(frame) for frame in made])
    assert settings.max_frame_weight(made, 1) == 5.0
    fitted, _ = fit_coefficients(
        OneCoefficient(), made, shift=shift, repulsion=Repulsion(("Si",), {}), settings=settings, progress=no_progress
    )
    weights = np.array([5.0, 2.0, 1.0, 0.5, 0.25])  # the median over the frame's own, 5 at most
    energies = 10.0 * np.minimum(weights, 1.0)
    wanted = np.sum(4 * weights**2 * forces) + np.sum(energies**2 * 0.3)
    assert fitted == pytest.approx([wanted / np.sum(4 * weights**2 + energies**2)], rel=1e-6)


def test_frames_that_cannot_be_fitted_are_refused(tmp_path):
    train = frames(3, 0, two=False)
    with pytest.raises(DataError, match="no forces"):
        POD().fit(tmp_path, [with_labels(train[0], Labels(energy=1.0))], [], PODFitSettings(), seed=0)
    with pytest.raises(DataError, match="no training frame has C"):
        POD().fit(tmp_path, train, frames(1, 1), PODFitSettings(), seed=0)
    with pytest.raises(ModelError, match="no POD model"):
        POD().lammps_potential(tmp_path)
    with pytest.raises(ModelError, match="missing"):
        POD().adopt(str(tmp_path / "nowhere"), None, tmp_path)


def test_calculator_reads_the_pair_style(fitted):
    assert isinstance(POD().calculator(fitted[0]), LammpsCalculator)
    assert POD().lammps_potential(fitted[0]).elements == ("C", "Si")


def test_crystals_without_forces_do_not_take_the_weight_of_all_others(tmp_path):
    still = []
    for strain in np.linspace(-0.04, 0.04, 25):
        crystal = bulk("Si", "diamond", a=5.0, cubic=True)
        crystal.set_cell(crystal.cell.array * (1 + strain), scale_atoms=True)
        still.append(labelled(crystal))
    settings = PODFitSettings(basis=SMALL, cutoff_A=4.5)
    card, _ = POD().fit(tmp_path, [*still, *frames(20, 0, two=False)], [], settings, seed=0)
    write_model(tmp_path, Model(card=card))
    others = frames(5, 1, two=False)
    errors = [
        own.forces - labels_of(each).forces for own, each in zip(POD().predict(tmp_path, others), others, strict=True)
    ]
    assert rms(errors) < 0.1 * rms([labels_of(each).forces for each in others])


@pytest.mark.parametrize(
    "basis",
    [
        *PRESETS_OF_SEVERAL.values(),
        PODBasis(radial=(7, 6, 5, 4, 3, 2), angular=(6, 5, 4, 3, 2)),
        PODBasis(radial=(6, 4, 4, 4, 2, 0), angular=(6, 6, 3, 2, 0)),
        PODBasis(radial=(6, 4, 0, 0, 0, 0), angular=(3, 0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("elements", [("Si",), ("Si", "C"), ("Si", "C", "N")])
def test_the_number_of_coefficients_is_that_of_lammps(tmp_path, basis, elements):
    smaller = basis.for_elements(len(elements))
    potential = PODPotential(elements=elements, basis=smaller, inner_cutoff_A=1.0, cutoff_A=4.0)
    potential.write(tmp_path)
    with potential.descriptors(tmp_path) as descriptors:
        energy, _ = descriptors.of(bulk("Si"))
    assert len(energy) == smaller.count(len(elements))


@pytest.mark.parametrize("basis", PRESETS.values())
def test_sizes_of_one_element_have_the_coefficients_of_lammps_and_all_products(tmp_path, basis):
    potential = PODPotential(elements=("Si",), basis=basis, inner_cutoff_A=1.0, cutoff_A=4.0)
    potential.write(tmp_path)
    with potential.descriptors(tmp_path) as descriptors:
        energy, _ = descriptors.of(bulk("Si"))
    assert len(energy) == basis.count(1)
    assert len(set(basis.radial[1:])) == len(set(basis.angular)) == 1


def test_many_elements_leave_the_high_bodies_out():
    small = PRESETS_OF_SEVERAL["S"]
    assert small.for_elements(2) == small
    assert small.for_elements(3).radial == (6, 4, 4, 0, 0, 0)
    assert small.for_elements(5).radial == (6, 4, 0, 0, 0, 0)
    counts = [POD().coefficients(PODFitSettings(size="S"), elements) for elements in (1, 2, 3, 4, 5, 6)]
    assert counts == [473, 4448, 1185, 740, 1355, 2238]
    own = PODFitSettings(basis=small)
    assert POD().coefficients(own, 5) == 518_355


def test_more_coefficients_than_anyone_can_fit_are_refused(tmp_path):
    train = frames(3, 0)
    wide = PODBasis(radial=(8, 8, 8, 8, 8, 8), angular=(6, 6, 6, 6, 6))
    with pytest.raises(SettingError, match=r"POD custom of 2 elements has \d+ coefficients"):
        POD().fit(tmp_path, train, [], PODFitSettings(basis=wide), seed=0)
