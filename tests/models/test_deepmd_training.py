"""What of DeePMD needs no deepmd-kit: settings, inputs, the arrays of its training data, its learning curve."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from pfd.errors import ModelError
from pfd.frames import Labels, with_labels
from pfd.models.deepmd.learning_curve import read_curve
from pfd.models.deepmd.potential import elements_of, periodic_cell
from pfd.models.deepmd.settings import DeePMDFineTuneSettings, DeePMDFitSettings
from pfd.models.deepmd.student import network
from pfd.models.deepmd.training_data import System, TrainingData, batches_of, steps_per_epoch, write_systems
from pfd.models.deepmd.training_input import training_input

FILE = {
    "learning_rate": {"type": "exp", "start_lr": 1e-4},
    "training": {"numb_steps": 7, "training_data": {"systems": ["elsewhere"], "batch_size": 3}, "seed": 99},
    "optimizer": {"type": "AdamW"},
}
DATA = TrainingData(train=[System("0000", 5), System("0001", 1)], valid=[System("0000", 2)], stressed=False)


def labelled(frame: Atoms, seed: int = 0, *, stress: bool = True) -> Atoms:
    generator = np.random.default_rng(seed)
    forces = generator.normal(size=(len(frame), 3))
    return with_labels(frame, Labels(-1.5 * len(frame), forces, generator.normal(size=6) if stress else None))


def test_frames_arrive_with_their_virial(tmp_path):
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    turned = salt[[1, 0, 3, 2, 5, 4, 7, 6]]
    frames = [labelled(salt), labelled(turned, 1), labelled(salt, 2, stress=False), labelled(molecule("HCl"), 3)]
    systems = write_systems(frames, tmp_path, ["Cl", "H", "Na"], room_A=7.0)
    assert systems == [System("0000", 2), System("0001", 1), System("0002", 1)]
    arrays = {path.stem: np.load(path) for path in (tmp_path / "0000" / "set.000").iterdir()}
    assert {name: array.shape for name, array in arrays.items()} == {
        "coord": (2, 24),
        "box": (2, 9),
        "energy": (2, 1),
        "force": (2, 24),
        "virial": (2, 9),
    }
    stress = frames[1].calc.results["stress"]
    virial = arrays["virial"][1].reshape(3, 3)
    assert virial[0, 0] == pytest.approx(-stress[0] * salt.get_volume())
    assert virial[1, 2] == virial[2, 1] == pytest.approx(-stress[3] * salt.get_volume())
    assert (tmp_path / "0000" / "type.raw").read_text().split() == ["0"] * 4 + ["2"] * 4
    chlorine = turned.numbers == 17
    np.testing.assert_array_equal(arrays["coord"][1].reshape(-1, 3)[:4], turned.positions[chlorine])
    np.testing.assert_array_equal(arrays["force"][1].reshape(-1, 3)[:4], frames[1].calc.results["forces"][chlorine])
    for name in ("0001", "0002"):
        assert not (tmp_path / name / "set.000" / "virial.npy").exists()


@given(some.lists(some.booleans(), min_size=3, max_size=3), some.floats(0, 6), some.integers(0, 5))
def test_images_of_free_directions_do_not_see_each_other(periodic, angle, seed):
    frame = fcc111("Cu", (2, 2, 3), vacuum=0.5)
    frame.rattle(0.1, seed=seed)
    frame.rotate(angle * 57.3, (1, 2, 3), rotate_cell=True)
    frame.pbc = periodic
    whole = frame.copy()
    whole.set_cell(periodic_cell(frame, 8.0))
    whole.pbc = True
    for axis in np.flatnonzero(frame.pbc):
        np.testing.assert_array_equal(whole.cell[axis], frame.cell[axis])
    distances, expected = (sorted_pairs(each, 8.0) for each in (whole, frame))
    np.testing.assert_allclose(distances, expected, atol=1e-6)


def sorted_pairs(frame: Atoms, cutoff_A: float) -> np.ndarray:
    from pfd.frames.neighbours import pairs_within

    return np.sort(pairs_within(frame, cutoff_A).distance)


def test_small_systems_give_all_they_have():
    assert batches_of(DATA.train, 4) == [4, 1]
    assert steps_per_epoch(DATA.train, 4) == 3
    assert steps_per_epoch(DATA.train, 1) == 6


def test_the_input_without_a_file():
    settings = DeePMDFineTuneSettings(epochs=10, validations=4, batch_size=2)
    content = training_input({"type_map": ["Cu"]}, DATA, settings, None, 2**33 + 5)
    training = content["training"]
    assert training["numb_steps"] == 40
    assert training["disp_freq"] == training["save_freq"] == 10
    assert training["training_data"]["systems"] == ["train/0000", "train/0001"]
    assert training["training_data"]["batch_size"] == [2, 1]
    assert training["validation_data"]["numb_btch"] == 2
    assert training["seed"] == 5
    assert content["loss"]["start_pref_v"] == content["loss"]["limit_pref_v"] == 0.0
    assert content["learning_rate"]["stop_lr"] == pytest.approx(1e-5)


def test_a_settings_file_is_the_base():
    settings = DeePMDFineTuneSettings(settings_file=FILE)
    content = training_input({"type_map": ["Cu"]}, DATA, settings, None, 3)
    assert content["learning_rate"] == FILE["learning_rate"]
    assert content["optimizer"] == {"type": "AdamW"}
    assert content["training"]["numb_steps"] == 7
    assert content["training"]["training_data"]["batch_size"] == [3, 1]
    assert content["training"]["training_data"]["systems"] == ["train/0000", "train/0001"]
    assert content["training"]["seed"] == 3
    assert content["loss"]["start_pref_e"] == 0.2
    assert FILE["training"]["seed"] == 99


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 5}, "steps and training.numb_steps"),
        ({"epochs": 5}, "epochs and training.numb_steps"),
        ({"learning_rate": 0.5}, "learning_rate and learning_rate"),
        ({"batch_size": 2}, "batch_size and training.training_data.batch_size"),
    ],
)
def test_what_is_said_twice_is_refused(given, says):
    with pytest.raises(ValidationError, match=says):
        DeePMDFineTuneSettings(settings_file=FILE, **given)


def test_files_of_several_tasks_are_refused():
    for content in ({"model": {"model_dict": {}}}, {"training": {"data_dict": {}}}, {"training": {"num_epoch": 3}}):
        with pytest.raises(ValidationError, match="settings file"):
            DeePMDFineTuneSettings(settings_file=content)


def test_steps_take_the_place_of_epochs():
    with pytest.raises(ValidationError, match="take the place"):
        DeePMDFineTuneSettings(steps=3, epochs=3)


def test_the_network_of_a_student():
    model = network(DeePMDFitSettings(kind="se_atten_v2", size="S", fitting=(20, 20)), ["H", "O"], 4)
    assert model["descriptor"]["attn_layer"] == 0
    assert model["fitting_net"]["neuron"] == [20, 20]
    assert {model[part]["seed"] for part in ("descriptor", "fitting_net", "type_embedding")} == {4}
    file = {"model": {"descriptor": {"type": "se_e2_a", "rcut": 4.0}, "type_map": ["X"]}}
    model = network(DeePMDFitSettings(settings_file=file), ["H", "O"], 4)
    assert model["type_map"] == ["H", "O"]
    assert model["descriptor"] == {"type": "se_e2_a", "rcut": 4.0, "seed": 4}
    with pytest.raises(ValidationError, match="size and model"):
        DeePMDFitSettings(settings_file=file, size="L")


def test_elements_are_those_that_were_trained_on():
    assert elements_of({"type_map": ["Cu", "Au", "W_water"]}) == ("Cu", "Au")
    assert elements_of({"type_map": ["Cu", "Au"], "info": {"observed_type": ["Au"]}}) == ("Au",)
    with pytest.raises(ModelError, match="type_0"):
        elements_of({"type_map": ["type_0"]})


def test_learning_curve(tmp_path):
    curve = tmp_path / "lcurve.out"
    assert read_curve(curve) == []
    curve.write_text(
        "# step rmse_val rmse_trn rmse_e_val rmse_e_trn rmse_f_val rmse_f_trn lr\n"
        "# If there is no available reference data, rmse_*_{val,trn} will print nan\n"
        "      1  2.0 3.0  0.1 0.2  0.5 0.6 1.0e-03\n"
        "     10  2.0 2.0  nan 0.2  0.4 nan 1.0e-03\n"
        "     20  2.0 2.0  nan"
    )
    first, second = read_curve(curve)
    assert (first.step, first.loss, first.valid_energy_rmse_eV_per_atom) == (1, 9.0, 0.1)
    assert (first.train_force_rmse_eV_per_A, first.valid_force_rmse_eV_per_A) == (0.6, 0.5)
    assert (second.train_force_rmse_eV_per_A, second.valid_energy_rmse_eV_per_atom) == (None, None)
    curve.write_text("# step rmse rmse_e rmse_f lr\n 5 2.0 0.1 0.3 1.0e-03\n")
    (row,) = read_curve(curve)
    assert (row.loss, row.train_force_rmse_eV_per_A, row.valid_force_rmse_eV_per_A) == (4.0, 0.3, None)
