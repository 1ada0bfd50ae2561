"""Linear ACE by ace-jax: learns two elements, gives back what was fitted, takes shifts; damage is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError
from tests.models.test_nep import errors, frames

from pfd.errors import DataError, ModelError, TaskFailed
from pfd.frames import Labels, labels_of, with_labels
from pfd.models.ace import ACE, ACEFitSettings
from pfd.models.family import model_digest
from pfd.models.repulsion import FILE as REPULSION
from pfd.models.repulsion import Repulsion
from pfd.testing.family_contract import check_family

pytestmark = pytest.mark.ace

SETTINGS = ACEFitSettings(basis=(2, 8), cutoff_A=4.5)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ace two")  # the space is on purpose
    card, report = ACE().fit(folder, frames(20, 0), frames(4, 1), SETTINGS, 0)
    return folder, card, report


def test_two_elements_are_learnt(fitted):
    folder, card, report = fitted
    test = frames(6, 2)
    force, energy = errors(ACE(), folder, test)
    assert force < 0.05 * np.sqrt(np.mean([labels_of(frame).forces ** 2 for frame in test]))
    assert energy < 0.005
    assert (card.elements, card.cutoff_A) == (("C", "Si"), 4.5)
    assert 0 < report.curve[0].valid_force_rmse_eV_per_A < 0.2


def test_the_contract(fitted, tmp_path):
    ACE().adopt(str(fitted[0]), None, tmp_path)
    check_family(ACE(), tmp_path, frames(1, 3)[0])


def test_two_atoms_closer_than_any_training_frame_feel_the_nuclei(fitted, tmp_path):
    repulsion = Repulsion.read(fitted[0])
    pair = Atoms("CSi", positions=[[0, 0, 0], [0.9 * repulsion.ranges_A["C-Si"][1], 0, 0]])
    ACE().adopt(str(fitted[0]), None, tmp_path)
    (tmp_path / REPULSION).unlink()
    plain, whole = (ACE().predict(folder, [pair])[0] for folder in (tmp_path, fitted[0]))
    assert repulsion.labels(pair).energy > 1e-3
    assert whole.energy == pytest.approx(plain.energy + repulsion.labels(pair).energy, abs=1e-9)
    assert whole.forces == pytest.approx(plain.forces + repulsion.labels(pair).forces, abs=1e-9)
    assert all(repulsion.labels(frame).energy == 0.0 for frame in frames(20, 0))


def test_a_second_fit_writes_the_same_bytes_and_another_answer_is_refused_with_both_numbers(
    fitted, monkeypatch, tmp_path
):
    honest = ACE.predict

    def off(self, folder, some, *rest):
        return [dataclasses.replace(labels, energy=labels.energy + 0.8) for labels in honest(self, folder, some, *rest)]

    monkeypatch.setattr(ACE, "predict", off)
    with pytest.raises(TaskFailed, match=r"ace-jax's calculator is off the model by 1\.0e-01 eV/atom and .*e-.* eV/Å"):
        ACE().fit(tmp_path, frames(20, 0), frames(4, 1), SETTINGS, 0)
    assert model_digest(tmp_path) == model_digest(fitted[0])


def test_adopting_it_again_gives_the_same_bytes_and_card(fitted, tmp_path):
    card = ACE().adopt(str(fitted[0]), None, tmp_path)
    assert model_digest(tmp_path) == model_digest(fitted[0])
    file = tmp_path / "file"
    file.mkdir()
    assert ACE().adopt(str(fitted[0] / "ace.npz"), None, file) == card  # the sum alone, without the repulsion beside it
    assert {path.name: path.read_bytes() for path in file.iterdir()} == {
        path.name: path.read_bytes() for path in fitted[0].iterdir() if path.name in {"ace.npz", "model.json"}
    }
    assert (card.elements, card.cutoff_A, card.parameters) == (("C", "Si"), 4.5, fitted[1].parameters)


def test_a_molecule_has_energy_and_forces_and_no_stress(fitted):
    molecule = Atoms("SiC", positions=[[0, 0, 0], [0, 0, 2.3]])
    boxed = Atoms("SiC", positions=[[0, 0, 0], [0, 0, 2.3]], cell=[30, 30, 30], pbc=True)
    free, periodic = ACE().predict(fitted[0], [molecule, boxed])
    assert free.energy == pytest.approx(periodic.energy, abs=1e-8)
    assert free.forces == pytest.approx(periodic.forces, abs=1e-8)
    assert free.stress is None


def test_refusals(fitted, tmp_path):
    whole = (fitted[0] / "ace.npz").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no archive"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(ModelError, match="not a linear ACE model"):
            ACE().adopt(str(tmp_path / "bad.npz"), None, tmp_path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ModelError, match="not a linear ACE model"):
        ACE().adopt(str(tmp_path / "array.npy"), None, tmp_path)
    with np.load(fitted[0] / "ace.npz") as content:
        arrays = {key: content[key] for key in content.files}
    np.savez(tmp_path / "short.npz", **arrays | {"E0": np.zeros(3)})
    with pytest.raises(ModelError, match="do not fit together"):
        ACE().adopt(str(tmp_path / "short.npz"), None, tmp_path)
    np.savez(tmp_path / "lacking.npz", **{key: arrays[key] for key in ("E0", "WB", "Wpair", "rcuts", "elements")})
    with pytest.raises(ModelError, match="ace-jax cannot read"):
        ACE().adopt(str(tmp_path / "lacking.npz"), None, tmp_path)
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(ModelError, match="not a linear ACE model"):
        ACE().adopt(str(tmp_path / "other.npz"), None, tmp_path)
    np.savez(tmp_path / "code.npz", E0=np.array([object()]))
    with pytest.raises(ModelError, match="not a linear ACE model"):
        ACE().adopt(str(tmp_path / "code.npz"), None, tmp_path)
    with pytest.raises(ModelError, match="no such file"):
        ACE().adopt(str(tmp_path / "nowhere.npz"), None, tmp_path)
    with pytest.raises(ModelError, match="no heads"):
        ACE().adopt(str(fitted[0]), "PBE", tmp_path)
    with pytest.raises(ModelError, match="does not know Ge"):
        ACE().predict(fitted[0], [bulk("Ge")])
    with pytest.raises(ModelError, match="does not know Ge"):
        ACE().add_energy_shift(fitted[0], {"Ge": 1.0})
    with pytest.raises(ValidationError, match="takes the place of size"):
        ACEFitSettings(size="L", basis=(2, 8))
    with pytest.raises(ValidationError, match="a degree above it"):
        ACEFitSettings(basis=(3, 2))
    with pytest.raises(DataError, match="no forces"):
        ACE().fit(tmp_path, [with_labels(bulk("Si"), Labels(energy=1.0))], [], SETTINGS, 0)
    assert not (tmp_path / "ace.npz").exists()
