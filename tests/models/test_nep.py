"""NEP: what torchnep trains, calorine reads; the constants of two elements stand in the file; damage is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pfd.errors import DataError, ModelError, TaskFailed
from pfd.frames import Labels, fit_energy_shift, labels_of, with_labels
from pfd.models.export import export_program
from pfd.models.family import Model, model_digest, read_model, write_model
from pfd.models.nep import NEP
from pfd.models.nep_fit import NEPFitSettings, NEPNetwork
from pfd.models.torch_potential import predict_frames
from pfd.models.torch_training import FineTuneSettings
from pfd.models.training import adopt_model
from pfd.testing.family_contract import check_family
from pfd.testing.toy_potential import ToyCalculator, morse

pytestmark = pytest.mark.nep

ENERGIES_EV = {"C": -150.0, "Si": -100.0}
STRENGTHS = np.array([1.0, 0.7, 0.4])
"""Of the bonds C-C, C-Si and Si-Si."""
QUICK = {"size": "S", "epochs": 20, "cutoff_A": 5.0, "angular_cutoff_A": 4.0}


def labelled(frame: Atoms, offset_eV: float = 0.0) -> Atoms:
    copy = frame.copy()
    constants = {symbol: energy + offset_eV for symbol, energy in ENERGIES_EV.items()}
    copy.calc = ToyCalculator(("C", "Si"), morse(), STRENGTHS, constants)
    stress = copy.get_stress() if frame.pbc.all() else None
    return with_labels(frame, Labels(copy.get_potential_energy(), copy.get_forces(), stress, "Morse"))


def frames(count: int, seed: int, *, two: bool = True, offset_eV: float = 0.0) -> list[Atoms]:
    """Rattled, strained and, with two elements, differently composed zincblende cells."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        frame = bulk("Si", "diamond", a=5.6, cubic=True)
        if two:
            frame.symbols[generator.permutation(8)[: generator.integers(1, 8)]] = "C"
        strain = np.eye(3) + generator.normal(scale=0.02, size=(3, 3))
        frame.set_cell(frame.cell.array @ strain, scale_atoms=True)
        frame.positions += generator.normal(scale=0.12, size=(8, 3))
        made.append(labelled(frame, offset_eV))
    return made


def errors(family, folder, test):
    """Force RMSE, eV/Å, and energy RMSE, eV per atom."""
    pairs = list(zip(family.predict(folder, test), map(labels_of, test), strict=True))
    forces = np.vstack([one.forces - other.forces for one, other in pairs])
    energies = [(one.energy - other.energy) / len(other.forces) for one, other in pairs]
    return float(np.sqrt(np.mean(forces**2))), float(np.sqrt(np.mean(np.square(energies))))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nep two")  # the space is on purpose
    card, report = NEP().fit(folder, frames(40, 0), frames(4, 1), NEPFitSettings(**QUICK), 0)
    write_model(folder, Model(card=card))
    return folder, card, report


def test_two_elements_are_learnt_by_energy_forces_and_stress(fitted):
    folder, card, report = fitted
    test = frames(6, 2)
    truth = [labels_of(frame) for frame in test]
    force, energy = errors(NEP(), folder, test)
    assert force < 0.2 * np.sqrt(np.mean([labels.forces**2 for labels in truth]))
    found = NEP().predict(folder, test)
    spread = np.std([labels.energy / 8 - energy_of_elements(frame) for labels, frame in zip(truth, test, strict=True)])
    assert energy < 0.2 * spread
    stress = np.array([[one.stress, other.stress] for one, other in zip(found, truth, strict=True)])
    assert np.corrcoef(stress[:, 0].ravel(), stress[:, 1].ravel())[0, 1] > 0.95
    assert (card.elements, card.cutoff_A) == (("C", "Si"), 5.0)
    assert len(report.curve) == 20
    assert report.curve[-1].valid_force_rmse_eV_per_A < 0.5 * report.curve[0].valid_force_rmse_eV_per_A


def energy_of_elements(frame):
    return np.mean([ENERGIES_EV[symbol] for symbol in frame.get_chemical_symbols()])


@pytest.mark.parametrize("repulsion", ["none", "zbl"])
def test_the_contract(fitted, repulsion, tmp_path):
    if repulsion == "zbl":
        NEP().adopt(str(fitted[0] / "nep.txt"), None, tmp_path)
    else:
        NEP().fit(tmp_path, frames(4, 0), [], NEPFitSettings(**QUICK | {"epochs": 1}, repulsion="none"), 0)
    check_family(NEP(), tmp_path, frames(1, 3)[0], force_eV_per_A=1e-2)


def test_the_file_is_the_trained_model_for_another_engine(fitted):
    test = [*frames(3, 4), frames(1, 4)[0] * (2, 2, 2)]
    trained = predict_frames(NEP().load(fitted[0]), test, "")
    for one, other in zip(NEP().predict(fitted[0], test), trained, strict=True):
        assert one.energy == pytest.approx(other.energy, abs=1e-4)
        assert one.forces == pytest.approx(other.forces, abs=1e-4)
        assert one.stress == pytest.approx(other.stress, abs=1e-6)


def test_a_file_with_another_model_is_refused_with_both_numbers(monkeypatch, tmp_path):
    honest = NEP.predict

    def off(self, folder, some, *rest):
        return [
            dataclasses.replace(labels, energy=labels.energy + 0.8, forces=labels.forces + 0.002)
            for labels in honest(self, folder, some, *rest)
        ]

    train = frames(2, 0)
    NEP().build(tmp_path, train, NEPFitSettings(**QUICK), 0)
    monkeypatch.setattr(NEP, "predict", off)
    with pytest.raises(TaskFailed, match=r"calorine is off the model by 1\.0e-01 eV/atom and 2\.0e-03 eV/Å"):
        NEP().fine_tune(tmp_path, train, [], FineTuneSettings(steps=1), 0)


def test_constants_of_two_elements_stand_in_the_file(fitted, tmp_path):
    NEP().adopt(str(fitted[0]), None, tmp_path)
    test = frames(3, 6)
    before = NEP().predict(tmp_path, test)
    NEP().add_energy_shift(tmp_path, {"Si": 2.5, "C": -1000.0})
    for frame, one, two in zip(test, before, NEP().predict(tmp_path, test), strict=True):
        carbon = frame.get_chemical_symbols().count("C")
        assert two.energy - one.energy == pytest.approx(2.5 * (8 - carbon) - 1000.0 * carbon, abs=1e-6)
        assert two.forces == pytest.approx(one.forces, abs=1e-9)
    NEP().add_energy_shift(tmp_path, {"Si": -2.5, "C": 1000.0})
    assert [labels.energy for labels in NEP().predict(tmp_path, test)] == pytest.approx(
        [labels.energy for labels in before], abs=1e-6
    )
    with pytest.raises(ModelError, match="does not know Ge"):
        NEP().add_energy_shift(tmp_path, {"Ge": 1.0})


@given(st.dictionaries(st.sampled_from(["C", "Si"]), st.floats(-1e4, 1e4), min_size=1))
@settings(max_examples=15)
def test_shifts_add_up_whatever_they_are(fitted, tmp_path_factory, shift):
    folder = tmp_path_factory.mktemp("shift")
    NEP().adopt(str(fitted[0]), None, folder)
    before = NEP().load(folder).constants_eV
    NEP().add_energy_shift(folder, shift)
    after = NEP().load(folder).constants_eV
    assert after - before == pytest.approx([shift.get("C", 0.0), shift.get("Si", 0.0)], abs=1e-6)


def test_a_constant_in_the_labels_changes_nothing_but_the_constants(tmp_path):
    forces = []
    for offset in (0.0, -4000.0):
        folder = tmp_path / str(offset)
        folder.mkdir()
        NEP().fit(folder, frames(6, 0, offset_eV=offset), [], NEPFitSettings(**QUICK | {"epochs": 5}), 0)
        forces.append(NEP().predict(folder, frames(1, 2))[0].forces)
    assert forces[1] == pytest.approx(forces[0], abs=2e-3)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(fitted, tmp_path):
    digests = []
    for name, seed in (("first", 1), ("second", 1), ("other", 2)):
        folder = tmp_path / name
        folder.mkdir()
        NEP().fit(folder, frames(6, 0), frames(2, 1), NEPFitSettings(**QUICK | {"epochs": 2}), seed)
        digests.append(model_digest(folder))
    assert digests[0] == digests[1] != digests[2]


def test_saving_and_adopting_again_are_exact(fitted, tmp_path):
    original = (fitted[0] / "nep.txt").read_bytes()
    model = adopt_model(NEP(), str(fitted[0] / "nep.txt"), None, tmp_path)
    assert (tmp_path / "nep.txt").read_bytes() == original
    assert model.card.parameters == fitted[1].parameters
    NEP().save(NEP().load(tmp_path), tmp_path)
    assert (tmp_path / "nep.txt").read_bytes() == original


def test_a_file_is_fine_tuned_to_other_labels(fitted, tmp_path):
    """A ``nep.txt`` from elsewhere may be a teacher: here of bonds that are stiffer by a half, at another energy."""

    def stiffer(some):
        stiff = []
        for frame in some:
            labels = labels_of(frame)
            values = {name: 1.5 * getattr(labels, name) for name in ("energy", "forces", "stress")}
            stiff.append(with_labels(frame, dataclasses.replace(labels, **values)))
        return stiff

    NEP().adopt(str(fitted[0]), None, tmp_path)
    train, test = stiffer(frames(24, 7)), stiffer(frames(6, 8))

    def shifted():
        NEP().add_energy_shift(tmp_path, fit_energy_shift(train, NEP().predict(tmp_path, train)).per_element_eV)
        return errors(NEP(), tmp_path, test)

    before = shifted()
    NEP().fine_tune(tmp_path, train, [], FineTuneSettings(epochs=20, learning_rate=3e-3), 0)
    after = shifted()
    assert after[0] < 0.5 * before[0]
    assert after[1] < 0.5 * before[1]


def test_repulsion_is_a_wall_and_ends_below_the_shortest_distances(tmp_path):
    train = frames(6, 0)
    NEP().build(tmp_path, train, NEPFitSettings(**QUICK, repulsion="zbl"), 0)
    near = Atoms("SiC", positions=[[0, 0, 0], [0, 0, 0.6]])
    far = Atoms("SiC", positions=[[0, 0, 0], [0, 0, 3.0]])
    plain = tmp_path / "plain"
    plain.mkdir()
    NEP().build(plain, train, NEPFitSettings(**QUICK, repulsion="none"), 0)
    gain = [NEP().predict(tmp_path, [f])[0].energy - NEP().predict(plain, [f])[0].energy for f in (near, far)]
    assert gain[0] > 20.0
    assert gain[1] == pytest.approx(0.0, abs=1e-4)
    module = predict_frames(NEP().load(tmp_path), [near], "")[0]
    assert module.energy == pytest.approx(NEP().predict(tmp_path, [near])[0].energy, rel=1e-5)
    assert "zbl 0 0" in (tmp_path / "nep.txt").read_text()


@pytest.mark.parametrize("pbc", [(False, False, False), (True, True, False), (False, True, False)])
def test_free_directions_see_no_images(fitted, pbc):
    frame = frames(1, 9)[0]
    frame.pbc = pbc
    frame.positions += [40.0, -70.0, 13.0]
    expected = predict_frames(NEP().load(fitted[0]), [frame], "")[0]
    found = NEP().predict(fitted[0], [frame])[0]
    assert found.energy == pytest.approx(expected.energy, abs=1e-4)
    assert found.forces == pytest.approx(expected.forces, abs=1e-4)
    assert found.stress is None


def test_a_molecule_without_a_cell(fitted):
    frame = molecule("CH4")
    frame.symbols[1:] = "Si"
    expected = predict_frames(NEP().load(fitted[0]), [frame], "")[0]
    assert NEP().predict(fitted[0], [frame])[0].energy == pytest.approx(expected.energy, abs=1e-4)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[: len(text) // 2], "numbers where its header asks for"),
        (lambda text: text + "1.0\n", "numbers where its header asks for"),
        (lambda text: text.replace("nep4_zbl", "nep3_zbl", 1), "kind 'nep3_zbl'"),
        (lambda text: text.replace("nep4_zbl", "nep4_charge1", 1), "kind 'nep4_charge1'"),
        (lambda text: text.replace("nep4_zbl", "nep4", 1), "contradicts itself"),
        (lambda text: text.replace("zbl 0 0", "zbl 4 5", 1), "torchnep refuses"),
        (lambda text: text.replace("n_max", "n_min", 1), "not a NEP model"),
        (lambda text: "\x00\x01 no text", "not a NEP model"),
        (lambda text: "", "not a NEP model"),
        (lambda text: text.replace("cutoff 5 4", "cutoff 5 2", 1), "torchnep refuses"),
    ],
)
def test_damaged_and_foreign_files_are_refused(fitted, damage, says, tmp_path):
    path, target = tmp_path / "bad.txt", tmp_path / "model"
    target.mkdir()
    path.write_text(damage((fitted[0] / "nep.txt").read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ModelError, match=says):
        NEP().adopt(str(path), None, target)
    assert not list(target.iterdir())


def test_other_refusals(fitted, tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        NEP().adopt(str(tmp_path / "nowhere.txt"), None, tmp_path)
    with pytest.raises(ModelError, match="no heads"):
        NEP().adopt(str(fitted[0]), "PBE", tmp_path)
    with pytest.raises(ModelError, match="does not know Ge"):
        NEP().predict(fitted[0], [bulk("Ge")])
    with pytest.raises(ModelError, match="does not know Ge"):
        NEP().fine_tune(fitted[0], [labelled_germanium()], [], FineTuneSettings(steps=1), 0)
    with pytest.raises(DataError, match="neighbour within"):
        NEP().build(tmp_path, [Atoms("Si", pbc=True, cell=[20, 20, 20])], NEPFitSettings(), 0)
    with pytest.raises(ValidationError, match="takes the place of size"):
        NEPFitSettings(size="S", network=NEPNetwork())
    with pytest.raises(ValidationError, match="above cutoff_A"):
        NEPFitSettings(cutoff_A=4.0, angular_cutoff_A=5.0)


def labelled_germanium():
    frame = bulk("Ge", cubic=True)
    return with_labels(frame, Labels(0.0, np.zeros((8, 3)), None))


def test_untrained_is_taken_like_any_file(tmp_path):
    made = NEP().untrained(tmp_path, ["Si", "O"], 0)
    target = tmp_path / "model"
    target.mkdir()
    assert NEP().adopt(str(made), None, target).elements == ("O", "Si")
    assert NEP().untrained(tmp_path, ["Si", "O"], 0).read_bytes() == (target / "nep.txt").read_bytes()


def test_export_for_gpumd(fitted, tmp_path):
    target = tmp_path / "for gpumd"
    known = frames(2, 7)
    export_program(fitted[0], known, target, "gpumd")
    assert {path.name for path in target.iterdir()} == {"nep.txt", "model.xyz", "run.in", "README.md"}
    assert (target / "nep.txt").read_bytes() == (fitted[0] / "nep.txt").read_bytes()
    header = (target / "model.xyz").read_text(encoding="utf-8").splitlines()[1]
    assert "species:S:1:pos:R:3" in header
    assert 'pbc="T T T"' in header
    assert (target / "run.in").read_text(encoding="utf-8").startswith("potential nep.txt\n")
    assert "C, Si" in (target / "README.md").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="not empty"):
        export_program(fitted[0], known, target, "gpumd")
    with pytest.raises(ModelError, match="cannot be exported for dlpoly"):
        export_program(fitted[0], known, tmp_path / "out", "dlpoly")
    assert read_model(fitted[0]).card.name == "S"
