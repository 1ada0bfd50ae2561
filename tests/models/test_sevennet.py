"""SevenNet: our graphs against the package's own calculator, heads, shift, fine-tuning and refusals."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from pfd.errors import DataError, ModelError
from pfd.frames import Labels, with_labels, without_labels
from pfd.models.family import read_model
from pfd.models.sevennet import CHECKPOINT, SevenNet, SevenNetFineTuneSettings
from pfd.models.training import adopt_model, fine_tune_model

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.sevennet
FAMILY = SevenNet()
HEADS = {"7net-mf-0": "PBE"}


def rattled(frame: Atoms, seed: int = 0, by: float = 0.1) -> Atoms:
    copy = frame.copy()
    copy.positions += np.random.default_rng(seed).normal(0, by, copy.positions.shape)
    return copy


FRAMES = {
    "silicon": rattled(bulk("Si", "diamond", a=5.43)),
    "salt": rattled(bulk("NaCl", "rocksalt", a=5.6), 1),
    "water, no cell": rattled(molecule("H2O"), 2, 0.05),
}


@pytest.fixture(scope="module", params=SevenNet.shipped)
def adopted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sevennet")
    return request.param, folder, FAMILY.adopt(request.param, HEADS.get(request.param), folder)


@pytest.fixture(scope="module")
def sevennet_0(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adopted")
    FAMILY.adopt("7net-0", None, folder)
    return folder


@pytest.fixture
def folder(sevennet_0, tmp_path):
    return shutil.copytree(sevennet_0, tmp_path / "model")


def package_calculator(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator(name, device="cpu", modal=HEADS.get(name))


def shift_of(folder) -> list[float]:
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    return state["model_state_dict"]["rescale_atomic_energy.shift"].tolist()


def test_our_evaluation_is_the_package_s(adopted):
    name, folder, _ = adopted
    calculator = package_calculator(name)
    frames = [FRAMES["silicon"], FRAMES["salt"]]
    for frame, ours in zip(frames, FAMILY.predict(folder, frames), strict=True):
        theirs = frame.copy()
        theirs.calc = calculator
        assert ours.energy == pytest.approx(theirs.get_potential_energy(), abs=2e-5)
        np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=2e-5)
        np.testing.assert_allclose(ours.stress, theirs.get_stress(), atol=1e-6)


def test_the_checkpoint_is_one_that_the_package_reads(folder):
    frame = FRAMES["salt"].copy()
    FAMILY.add_energy_shift(folder, {"Na": 2.0})
    frame.calc = package_calculator(str(folder / CHECKPOINT))
    assert frame.get_potential_energy() == pytest.approx(FAMILY.predict(folder, [frame])[0].energy, abs=2e-5)


@pytest.mark.parametrize("adopted", ["7net-0_22May2024", "7net-mf-0"], indirect=True)
def test_our_checkpoint_survives_being_read_again(adopted, tmp_path):
    name, folder, card = adopted
    again = FAMILY.adopt(str(folder / CHECKPOINT), HEADS.get(name), tmp_path)
    assert again.elements == card.elements
    assert (tmp_path / CHECKPOINT).read_bytes() == (folder / CHECKPOINT).read_bytes()
    frame = FRAMES["silicon"]
    assert FAMILY.predict(tmp_path, [frame])[0].energy == FAMILY.predict(folder, [frame])[0].energy


def test_the_card_is_read_from_the_checkpoint(adopted):
    name, _, card = adopted
    assert (card.family, card.name, card.licence, card.cutoff_A) == ("sevennet", name, "MIT", 5.0)
    assert card.head == HEADS.get(name)
    assert card.heads == (("R2SCAN", "PBE") if name in HEADS else ())
    assert len(card.elements) == 89
    assert set(FAMILY.shipped_elements(name)) == set(card.elements)
    assert card.parameters > 800_000


def test_heads_differ_and_must_be_named(tmp_path):
    with pytest.raises(ModelError, match="R2SCAN, PBE"):
        FAMILY.adopt("7net-mf-0", None, tmp_path)
    with pytest.raises(ModelError, match="no head 'HSE'"):
        FAMILY.adopt("7net-mf-0", "HSE", tmp_path)
    with pytest.raises(ModelError, match="leave head out"):
        FAMILY.adopt("7net-0", "PBE", tmp_path)
    energies = []
    for head in ("PBE", "R2SCAN"):
        folder = tmp_path / head
        folder.mkdir()
        FAMILY.adopt("7net-mf-0", head, folder)
        energies.append(FAMILY.predict(folder, [FRAMES["silicon"]])[0].energy)
    assert abs(energies[0] - energies[1]) > 1.0


@pytest.mark.parametrize(("name", "head"), [("7net-0", None), ("7net-mf-0", "R2SCAN")])
def test_a_shift_moves_energies_only(name, head, tmp_path):
    FAMILY.adopt(name, head, tmp_path)
    frame = FRAMES["salt"]
    before = FAMILY.predict(tmp_path, [frame])[0]
    FAMILY.add_energy_shift(tmp_path, {"Na": -10.0, "Cl": 3.0})
    after = FAMILY.predict(tmp_path, [frame])[0]
    assert after.energy - before.energy == pytest.approx(-7.0, abs=1e-4)
    np.testing.assert_array_equal(after.forces, before.forces)
    np.testing.assert_array_equal(after.stress, before.stress)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["config"]["shift"] == shift_of(tmp_path)
    with pytest.raises(ModelError, match="Po"):
        FAMILY.add_energy_shift(tmp_path, {"Po": 1.0})


@pytest.mark.parametrize("kind", FRAMES)
def test_forces_are_the_slope_of_the_energy(folder, kind):
    frame, step = FRAMES[kind], 1e-2
    forces = FAMILY.predict(folder, [frame])[0].forces
    direction = forces / np.linalg.norm(forces)
    moved = [frame.copy() for _ in range(2)]
    for copy, sign in zip(moved, (-1, 1), strict=True):
        copy.positions += sign * step * direction
    energies = [labels.energy for labels in FAMILY.predict(folder, moved)]
    assert (energies[0] - energies[1]) / (2 * step) == pytest.approx(float(np.linalg.norm(forces)), rel=0.02)


def test_an_atom_without_neighbours_feels_no_force(folder):
    alone, pair = Atoms("Ar"), Atoms("ArNe", positions=[[0, 0, 0], [0, 0, 30.0]])
    for labels in FAMILY.predict(folder, [alone, pair]):
        assert np.isfinite(labels.energy)
        assert not labels.forces.any()


def test_loading_says_nothing(folder, capfd):
    frame = FRAMES["silicon"].copy()
    frame.calc = FAMILY.calculator(folder)
    frame.get_stress()
    assert capfd.readouterr() == ("", "")


def test_fine_tuning_learns_keeps_the_shift_and_repeats_itself(folder, tmp_path):
    frames = [rattled(bulk("Si", "diamond", a=5.43), seed) for seed in range(6)]
    frames = [
        with_labels(frame, Labels(label.energy, 1.3 * label.forces, 1.3 * label.stress))
        for frame, label in zip(frames, FAMILY.predict(folder, frames), strict=True)
    ]
    shift = shift_of(folder)
    other = shutil.copytree(folder, tmp_path / "again")
    settings = SevenNetFineTuneSettings(steps=24, validations=4)
    reports = [FAMILY.fine_tune(place, frames[:4], frames[4:], settings, 7) for place in (folder, other)]
    error = np.concatenate([frame.calc.results["forces"] for frame in frames[4:]]) * 0.3 / 1.3
    assert min(record.valid_force_rmse_eV_per_A for record in reports[0].curve) < 0.7 * np.sqrt((error**2).mean())
    assert reports[0] == reports[1]
    assert (folder / CHECKPOINT).read_bytes() == (other / CHECKPOINT).read_bytes()
    assert shift_of(folder) == shift
    with pytest.raises(DataError, match="carry no energy"):
        FAMILY.fine_tune(folder, [without_labels(frames[0])], [], settings, 0)


def test_fine_tuning_one_head_leaves_the_energies_of_the_other_alone(tmp_path):
    start, tuned = tmp_path / "start", tmp_path / "tuned"
    start.mkdir()
    adopt_model(FAMILY, "7net-mf-0", "PBE", start)
    frames = [rattled(bulk("Si", "diamond", a=5.43), seed, 0.01) for seed in range(2)]
    frames = [with_labels(frame, Labels(-200.0, np.zeros((2, 3)), np.zeros(6))) for frame in frames]
    fine_tune_model(start, frames, [], SevenNetFineTuneSettings(steps=1), 0, tuned)
    module = FAMILY.load(tuned).module
    before, after = (np.array(shift_of(place)) for place in (start, tuned))
    other, silicon = module.modal_map["R2SCAN"], module.type_map[14]
    np.testing.assert_array_equal(after[other], before[other])
    changed = after[module.modal_map["PBE"]] - before[module.modal_map["PBE"]]
    assert changed[silicon] == pytest.approx(-94.6, abs=0.5)  # silicon has -5.4 eV per atom there
    assert np.count_nonzero(changed) == 1
    card = read_model(tuned).card
    assert (card.head, card.heads) == ("PBE", ("R2SCAN", "PBE"))


def test_the_larger_model_is_fine_tuned_too(tmp_path):
    FAMILY.adopt("7net-l3i5", None, tmp_path)
    frame = rattled(bulk("Si", "diamond", a=5.43))
    label = FAMILY.predict(tmp_path, [frame])[0]
    frame = with_labels(frame, Labels(label.energy, 1.3 * label.forces, 1.3 * label.stress))
    report = FAMILY.fine_tune(tmp_path, [frame], [], SevenNetFineTuneSettings(steps=3), 0)
    assert report.curve[-1].train_force_rmse_eV_per_A < report.curve[0].train_force_rmse_eV_per_A


def test_unknown_elements_are_named(folder):
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.predict(folder, [Atoms("Po", cell=[3, 3, 3], pbc=True)])


def test_bad_sources_are_refused_and_their_code_is_not_run(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("sprung",)

    with pytest.raises(ModelError, match="7net-l3i5"):
        FAMILY.adopt("7net-1", None, tmp_path)
    torch.save({"model_state_dict": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    whole = (folder / CHECKPOINT).read_bytes()
    (tmp_path / "truncated.pth").write_bytes(whole[: len(whole) // 2])
    for name in ("trap.pth", "text.pth", "truncated.pth"):
        with pytest.raises(ModelError, match="not a SevenNet checkpoint"):
            FAMILY.adopt(str(tmp_path / name), None, tmp_path)
