"""CHGNet: our evaluation against the package's own, physics invariants, shift, fine-tuning and refusals."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from pfd.errors import DataError, ModelError
from pfd.frames import Labels, with_labels, without_labels
from pfd.models.chgnet import CHECKPOINT, CHGNet, CHGNetFineTuneSettings, load_module
from pfd.models.torch_family import TorchFamily

pytestmark = pytest.mark.chgnet
FAMILY = CHGNet()


def rattled(frame: Atoms, seed: int = 0, by: float = 0.1) -> Atoms:
    copy = frame.copy()
    copy.positions += np.random.default_rng(seed).normal(0, by, copy.positions.shape)
    return copy


def salt() -> Atoms:
    frame = rattled(bulk("NaCl", "rocksalt", a=5.6), 1, 0.2)
    frame.set_cell(
        frame.cell.array @ (np.eye(3) + 0.04 * np.array([[1, 1, 0], [1, 0, 2], [0, 2, -1]])), scale_atoms=True
    )
    return frame


FRAMES = {
    "silicon": rattled(bulk("Si", "diamond", a=5.43, cubic=True)),
    "salt, smaller than the cutoff": salt(),
    "water, no cell": rattled(molecule("H2O"), 2, 0.05),
    "slab, two directions": Atoms(
        "Cu4", [[0, 0, 8], [1.8, 1.8, 8], [1.8, 0, 9.8], [0, 1.8, 9.9]], cell=[3.6, 3.6, 20], pbc=[1, 1, 0]
    ),
    "no angles": Atoms("Ar2", [[0, 0, 0], [4, 0.5, 0]], cell=[12, 12, 12], pbc=True),
    "an atom alone": Atoms("Fe", cell=[15, 15, 15], pbc=True),
}


@pytest.fixture(scope="module", params=CHGNet.shipped)
def adopted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chgnet")
    return request.param, folder, FAMILY.adopt(request.param, None, folder)


def test_elements_are_told_without_the_package(adopted):
    name, _, card = adopted
    assert FAMILY.shipped_elements(name) == card.elements


@pytest.fixture
def folder(tmp_path):
    FAMILY.adopt("0.3.0", None, tmp_path)
    return tmp_path


def package_labels(name: str, frame: Atoms) -> Labels:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from chgnet.model import CHGNet as Network
        from pymatgen.io.ase import AseAtomsAdaptor

        network = Network.load(model_name=name, use_device="cpu", verbose=False)
        network.graph_converter.set_isolated_atom_response("ignore")
        found = network.predict_structure(AseAtomsAdaptor.get_structure(frame), task="efs")
    stress = found["s"] / 160.21766208
    return Labels(float(found["e"]) * len(frame), found["f"], stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])


@pytest.mark.parametrize("kind", [kind for kind, frame in FRAMES.items() if frame.pbc.all()])
def test_our_evaluation_is_the_package_s(adopted, kind):
    name, folder, _ = adopted
    ours, theirs = FAMILY.predict(folder, [FRAMES[kind]])[0], package_labels(name, FRAMES[kind])
    assert ours.energy == pytest.approx(theirs.energy, abs=2e-5 * len(FRAMES[kind]))
    np.testing.assert_allclose(ours.forces, theirs.forces, atol=1e-4)
    np.testing.assert_allclose(ours.stress, theirs.stress, atol=1e-6)


def test_batches_give_what_single_frames_give(folder):
    frames = list(FRAMES.values())
    for frame, together in zip(frames, FAMILY.predict(folder, frames), strict=True):
        alone = FAMILY.predict(folder, [frame])[0]
        assert together.energy == pytest.approx(alone.energy, abs=1e-5)
        np.testing.assert_allclose(together.forces, alone.forces, atol=2e-5)
        assert (together.stress is None) == (not frame.pbc.all())


@pytest.mark.parametrize("kind", FRAMES)
def test_forces_are_the_slope_of_the_energy(folder, kind):
    frame, step = FRAMES[kind], 5e-3
    forces = FAMILY.predict(folder, [frame])[0].forces
    direction = np.random.default_rng(3).normal(size=forces.shape)
    direction = direction / np.linalg.norm(direction) + forces / max(np.linalg.norm(forces), 1e-3)
    moved = [frame.copy() for _ in range(4)]
    for copy, factor in zip(moved, (-2, -1, 1, 2), strict=True):
        copy.positions += factor * step * direction
    energies = [labels.energy for labels in FAMILY.predict(folder, moved)]
    slope = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * step)
    assert -slope == pytest.approx(float((forces * direction).sum()), rel=0.01, abs=1e-3)


def test_stress_is_the_slope_of_the_energy_by_strain(folder):
    frame, step = FRAMES["silicon"], 2e-3
    strain = np.zeros((3, 3))
    strain[0, 1] = strain[1, 0] = 0.5
    strain[2, 2] = 1.0
    energies = []
    for sign in (-1, 1):
        copy = frame.copy()
        copy.set_cell(frame.cell.array @ (np.eye(3) + sign * step * strain), scale_atoms=True)
        energies.append(FAMILY.predict(folder, [copy])[0].energy)
    stress = FAMILY.predict(folder, [frame])[0].stress
    slope = (energies[1] - energies[0]) / (2 * step) / frame.cell.volume
    assert slope == pytest.approx(stress[5] + stress[2], rel=0.02)


def test_rotation_and_permutation(folder):
    frame = FRAMES["salt, smaller than the cutoff"].repeat((2, 1, 1))
    before = FAMILY.predict(folder, [frame])[0]
    order = np.random.default_rng(0).permutation(len(frame))
    turned = frame[order]
    turned.rotate(50, (1, 2, 3), rotate_cell=True)
    turn = np.linalg.solve(frame.cell.array, turned.cell.array)
    after = FAMILY.predict(folder, [turned])[0]
    assert after.energy == pytest.approx(before.energy, abs=2e-5)
    np.testing.assert_allclose(after.forces, before.forces[order] @ turn, atol=5e-5)


def test_the_card_is_read_from_the_checkpoint(adopted, tmp_path):
    name, folder, card = adopted
    assert (card.family, card.name, card.licence) == ("chgnet", name, "modified BSD")
    assert card.cutoff_A == (5.0 if name == "0.2.0" else 6.0)
    assert ("r2SCAN" in card.level_of_theory) == (name == "r2scan")
    assert {"Si", "U", "H"} <= set(card.elements)
    assert len(card.elements) == 89
    again = FAMILY.adopt(str(folder / CHECKPOINT), None, tmp_path)
    assert again == card.model_copy(update={"name": CHECKPOINT})


def test_the_checkpoint_is_one_that_the_package_reads(folder):
    import torch
    from chgnet.model import CHGNet as Network

    with redirect_stdout(io.StringIO()):
        state = torch.load(folder / CHECKPOINT, weights_only=True)["model"]
        assert Network.from_dict(state).version == "0.3.0"


def test_the_same_weights_are_the_same_bytes(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("again")
    FAMILY.adopt("0.3.0", None, other)
    assert (other / CHECKPOINT).read_bytes() == (folder / CHECKPOINT).read_bytes()


def test_loading_says_nothing(folder, capfd):
    frame = FRAMES["silicon"].copy()
    frame.calc = FAMILY.calculator(folder)
    frame.get_forces()
    assert capfd.readouterr() == ("", "")


def test_the_calculator_agrees_with_predict(folder):
    frame = FRAMES["silicon"].copy()
    expected = FAMILY.predict(folder, [frame])[0]
    frame.calc = FAMILY.calculator(folder)
    assert frame.get_potential_energy() == expected.energy
    np.testing.assert_array_equal(frame.get_forces(), expected.forces)
    np.testing.assert_array_equal(frame.get_stress(), expected.stress)


def test_a_shift_moves_energies_only(folder):
    frame = FRAMES["salt, smaller than the cutoff"]
    before = FAMILY.predict(folder, [frame])[0]
    FAMILY.add_energy_shift(folder, {"Na": -100.0, "Cl": 3.0})
    after = FAMILY.predict(folder, [frame])[0]
    assert after.energy - before.energy == pytest.approx(-97.0, abs=1e-4)
    np.testing.assert_array_equal(after.forces, before.forces)
    np.testing.assert_array_equal(after.stress, before.stress)
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.add_energy_shift(folder, {"Po": 1.0})


def harder(folder, frames: list[Atoms]) -> list[Atoms]:
    """Labels with forces and stress 1.3 times those of the model."""
    labels = FAMILY.predict(folder, frames)
    return [
        with_labels(frame, Labels(label.energy, 1.3 * label.forces, 1.3 * label.stress))
        for frame, label in zip(frames, labels, strict=True)
    ]


def test_fine_tuning_learns_keeps_references_and_repeats_itself(folder, tmp_path_factory):
    frames = harder(folder, [rattled(bulk("Si", "diamond", a=5.43, cubic=True), seed) for seed in range(6)])
    references = load_module(folder / CHECKPOINT).composition_model.fc.weight.clone()
    settings = CHGNetFineTuneSettings(steps=40, validations=4)
    other = tmp_path_factory.mktemp("again")
    FAMILY.adopt("0.3.0", None, other)
    reports = [FAMILY.fine_tune(place, frames[:4], frames[4:], settings, 7) for place in (folder, other)]
    curve = [record.valid_force_rmse_eV_per_A for record in reports[0].curve]
    error = np.concatenate([f.calc.results["forces"] for f in frames[4:]]) * 0.3 / 1.3
    assert min(curve) < 0.5 * np.sqrt((error**2).mean())
    assert reports[0] == reports[1]
    assert (folder / CHECKPOINT).read_bytes() == (other / CHECKPOINT).read_bytes()
    assert (load_module(folder / CHECKPOINT).composition_model.fc.weight == references).all()


def test_fine_tuning_refuses_unlabelled_frames_and_unknown_elements(folder):
    frames = harder(folder, [FRAMES["silicon"]])
    settings = CHGNetFineTuneSettings(steps=1)
    with pytest.raises(DataError, match="carry no energy"):
        FAMILY.fine_tune(folder, [without_labels(frames[0])], [], settings, 0)
    strange = with_labels(Atoms("Po", cell=[3, 3, 3], pbc=True), Labels(0.0, np.zeros((1, 3))))
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.fine_tune(folder, [*frames, strange], [], settings, 0)
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.predict(folder, [strange])


def test_bad_sources_are_refused(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("sources")
    target = place / "model"
    target.mkdir()
    with pytest.raises(ModelError, match=r"0\.3\.0, 0\.2\.0, r2scan"):
        FAMILY.adopt("0.4.0", None, target)
    with pytest.raises(ModelError, match="no heads"):
        FAMILY.adopt("0.3.0", "PBE", target)
    whole = (folder / CHECKPOINT).read_bytes()
    (place / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    (place / "text.pt").write_text("no checkpoint")
    for name in ("text.pt", "truncated.pt"):
        with pytest.raises(ModelError, match="not a CHGNet checkpoint"):
            FAMILY.adopt(str(place / name), None, target)
    assert not list(target.iterdir())


def test_code_inside_a_checkpoint_is_not_run(tmp_path):
    import torch

    class Trap:
        def __reduce__(self):
            return print, ("sprung",)

    torch.save({"model": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(ModelError, match="not a CHGNet checkpoint"):
        FAMILY.adopt(str(tmp_path / "trap.pt"), None, tmp_path)


def test_another_architecture_is_refused(folder, tmp_path_factory):
    import torch

    state = torch.load(folder / CHECKPOINT, weights_only=True)
    state["model"]["model_args"]["mlp_first"] = False
    path = tmp_path_factory.mktemp("other") / "own.pt"
    torch.save(state, path)
    with pytest.raises(ModelError, match="mlp_first"):
        FAMILY.adopt(str(path), None, path.parent)


def test_a_model_is_loaded_once_while_its_files_stay_the_same(folder, monkeypatch):
    monkeypatch.setattr(TorchFamily, "_last", None)
    loaded = []
    load = CHGNet.load
    monkeypatch.setattr(CHGNet, "load", lambda self, *given: loaded.append(given) or load(self, *given))
    frame = bulk("Cu")
    first = FAMILY.predict(folder, [frame])[0].energy
    assert FAMILY.predict(folder, [frame])[0].energy == first
    frame.calc = FAMILY.calculator(folder)
    assert frame.get_potential_energy() == pytest.approx(first, abs=1e-6)
    assert len(loaded) == 1
    FAMILY.add_energy_shift(folder, {"Cu": 1.0})
    changed = len(loaded)
    assert FAMILY.predict(folder, [frame])[0].energy == pytest.approx(first + 1.0, abs=1e-4)
    assert len(loaded) == changed + 1
