"""MatterSim: our evaluation against the package's own calculator, its checkpoints, and a small model fine-tuned."""

from __future__ import annotations

import contextlib
import shutil
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from tests.models.copper import copper, errors

from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.errors import ModelError, SettingError
from pfd.frames import Labels, labels_of, with_labels, without_labels, write_frames
from pfd.models.family import read_model
from pfd.models.mattersim import CHECKPOINT, PUBLISHED, MatterSim, MatterSimFineTuneSettings
from pfd.models.training import adopt_model, fine_tune_model
from pfd.testing.family_contract import check_family
from pfd.testing.training_contract import check_fine_tuning

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.mattersim
FAMILY = MatterSim()
ELEMENTS = ("Cu", "Si", "Na", "Cl", "H", "O")


def rattled(frame: Atoms, seed: int = 0, by: float = 0.1) -> Atoms:
    copy = frame.copy()
    copy.positions += np.random.default_rng(seed).normal(0, by, copy.positions.shape)
    return copy


def slab() -> Atoms:
    frame = rattled(fcc111("Cu", (2, 2, 2), vacuum=4.0), 4)
    frame.pbc = (True, True, False)
    return frame


FRAMES = {
    "silicon": rattled(bulk("Si", cubic=True)),
    "salt, a primitive cell": rattled(bulk("NaCl", "rocksalt", a=5.6), 1),
    "copper, one atom": bulk("Cu", a=3.7),
    "a slab": slab(),
    "water, no cell": rattled(molecule("H2O"), 2, 0.05),
    "two atoms, no angles": Atoms("Si2", [[0, 0, 0], [0.2, 0, 2.3]]),
    "an atom alone": Atoms("O", [[1.0, 2.0, 3.0]]),
    "pairs beyond the angles": Atoms("CuNa", [[0, 0, 0], [0, 0, 4.5]], cell=[12, 12, 12], pbc=True),
}


@contextlib.contextmanager
def without_torchvision():
    """The package's training tools import torchvision and use none of it; it may be built for another torch."""

    class Empty(types.ModuleType):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)

    names = [f"torchvision{rest}" for rest in ("", ".transforms", ".transforms.functional", ".models", ".ops")]
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, Empty(name))
        yield


@pytest.fixture(scope="module")
def package():
    """The package's own potential and calculator, of a checkpoint."""
    with without_torchvision(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from loguru import logger
        from mattersim.forcefield.potential import MatterSimCalculator, Potential

        logger.remove()

    def calculator(checkpoint: Path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            potential = Potential.from_checkpoint(str(checkpoint), device="cpu")
        return MatterSimCalculator(potential, device="cpu")

    return calculator


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """The package keeps its downloads in the home directory."""
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(place))
    return place


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A checkpoint as if it were downloaded: a small model trained on copper that is too soft."""
    place = tmp_path_factory.mktemp("pretrained")
    raw = FAMILY.untrained(place, ELEMENTS, seed=0)
    start = place / "start"
    start.mkdir()
    adopt_model(FAMILY, str(raw), None, start)
    settings = MatterSimFineTuneSettings(steps=100, learning_rate=1e-2)
    fine_tune_model(start, copper(12, 0, 0.7), [], settings, 0, place / "trained")
    return shutil.copyfile(place / "trained" / CHECKPOINT, place / "soft-copper.pth")


@pytest.fixture
def folder(pretrained, tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    adopt_model(FAMILY, str(pretrained), None, place)
    return place


def trained(start: Path, target: Path, **settings) -> Path:
    """A short fine-tuning on copper of full strength."""
    train, valid = copper(10, 1, 1.0, -3.0), copper(3, 2, 1.0, -3.0)
    fine_tune_model(start, train, valid, MatterSimFineTuneSettings(**({"steps": 8} | settings)), 5, target)
    return target


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / CHECKPOINT, weights_only=True)["model"]


@pytest.mark.parametrize("kind", FRAMES)
def test_our_evaluation_is_the_package_s(folder, package, kind):
    frame = FRAMES[kind]
    ours = FAMILY.predict(folder, [FRAMES["silicon"], frame])[1]
    theirs = frame.copy()
    theirs.calc = package(folder / CHECKPOINT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ours.energy == pytest.approx(theirs.get_potential_energy(), abs=2e-5)
        np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=2e-5)
        if frame.pbc.all():
            np.testing.assert_allclose(ours.stress, theirs.get_stress(), atol=1e-6)
    assert (ours.stress is not None) == frame.pbc.all()


def test_layers_of_the_published_size_are_the_package_s(package, tmp_path):
    from pfd.models.mattersim import save_module
    from pfd.models.mattersim_network import new_module

    torch.manual_seed(0)
    sizes = {"num_blocks": 3, "units": 128, "max_l": 4, "max_n": 4}
    module = new_module(sizes | {"cutoff": 5.0, "threebody_cutoff": 4.0, "max_z": 94})
    assert sum(weights.numel() for weights in module.parameters()) == 890_034  # as the package says of the 1M weights
    for weights in module.parameters():
        weights.data *= 2.0
    save_module(module, tmp_path)
    frame = FRAMES["silicon"].copy()
    ours = FAMILY.predict(tmp_path, [frame])[0]
    frame.calc = package(tmp_path / CHECKPOINT)
    assert ours.energy == pytest.approx(frame.get_potential_energy(), abs=2e-5)
    np.testing.assert_allclose(ours.forces, frame.get_forces(), atol=2e-5)
    np.testing.assert_allclose(ours.stress, frame.get_stress(), atol=1e-6)


def test_the_contract_holds(folder):
    check_family(FAMILY, folder, rattled(bulk("Cu", cubic=True), 1))


@pytest.mark.parametrize("kind", ["a slab", "water, no cell", "two atoms, no angles"])
def test_forces_are_the_slope_of_the_energy(folder, kind):
    frame, step = FRAMES[kind], 1e-2
    forces = FAMILY.predict(folder, [frame])[0].forces
    moved = [frame.copy() for _ in range(2)]
    for copy, sign in zip(moved, (-1, 1), strict=True):
        copy.positions += sign * step * forces / np.linalg.norm(forces)
    energies = [labels.energy for labels in FAMILY.predict(folder, moved)]
    assert (energies[0] - energies[1]) / (2 * step) == pytest.approx(float(np.linalg.norm(forces)), rel=0.02)


def test_a_batch_holds_what_its_frames_hold_alone(folder):
    frames = list(FRAMES.values())
    for frame, together in zip(frames, FAMILY.predict(folder, frames), strict=True):
        alone = FAMILY.predict(folder, [frame])[0]
        assert together.energy == pytest.approx(alone.energy, abs=1e-5)
        np.testing.assert_allclose(together.forces, alone.forces, atol=1e-5)


def test_fine_tuning_halves_every_error_on_frames_it_has_not_seen(folder, tmp_path):
    unseen = copper(8, 9, 1.0, -3.0)
    before = errors(FAMILY, folder, unseen)
    after = errors(FAMILY, trained(folder, tmp_path / "tuned", steps=80), unseen)
    assert after["forces"] < 0.5 * before["forces"]
    assert after["energy"] < 0.5 * before["energy"]
    assert after["stress"] < 0.5 * before["stress"]
    assert before["shift"] > 1.0
    assert after["shift"] < 0.01
    assert read_model(tmp_path / "tuned").card.cutoff_A == read_model(folder).card.cutoff_A == 5.0


def test_stresses_are_learnt_from_the_frames_that_have_them(folder, tmp_path):
    frames = copper(10, 1, 1.0, -3.0)
    halved = [
        frame if index % 2 else with_labels(frame, Labels(labels_of(frame).energy, labels_of(frame).forces))
        for index, frame in enumerate(frames)
    ]
    unseen = copper(6, 9, 1.0, -3.0)
    settings = MatterSimFineTuneSettings(steps=40, energy_weight=0.0, force_weight=0.0, stress_weight=1.0)
    fine_tune_model(folder, halved, [], settings, 0, tmp_path / "tuned")
    assert errors(FAMILY, tmp_path / "tuned", unseen)["stress"] < 0.5 * errors(FAMILY, folder, unseen)["stress"]


def test_the_contract_of_trainings_holds(folder, tmp_path):
    check_fine_tuning(FAMILY, folder, copper(5, 1, 1.0, -5003.0), MatterSimFineTuneSettings(steps=10), tmp_path)


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [
        ("embeddings", ("atom_embedding", "edge_encoder")),
        ("all_but_last_block", ("atom_embedding", "edge_encoder", "graph_conv.0")),
        ("all_but_readout", ("atom_embedding", "edge_encoder", "graph_conv")),
    ],
)
def test_frozen_weights_stay_bit_for_bit_and_the_others_are_trained(folder, tmp_path, freeze, kept):
    before = weights_of(folder)
    after = weights_of(trained(folder, tmp_path / "tuned", freeze=freeze, learning_rate=1e-2))
    trainable = {name for name, _ in FAMILY.load(folder).module.named_parameters()}
    assert {name for name in trainable if torch.equal(before[name], after[name])} == {
        name for name in trainable if name.startswith(kept)
    }


def test_a_shift_moves_energies_only(folder):
    frame = FRAMES["salt, a primitive cell"]
    before = FAMILY.predict(folder, [frame])[0]
    FAMILY.add_energy_shift(folder, {"Na": -10000.0, "Cl": 0.3})
    after = FAMILY.predict(folder, [frame])[0]
    assert after.energy - before.energy == pytest.approx(-9999.7, abs=1e-6)
    np.testing.assert_array_equal(after.forces, before.forces)
    np.testing.assert_array_equal(after.stress, before.stress)
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.add_energy_shift(folder, {"Po": 1.0})


def test_the_package_s_own_checkpoint_is_read_and_ours_is_stable(folder, package, tmp_path):
    calculator = package(folder / CHECKPOINT)
    theirs = tmp_path / "theirs" / "best_model.pth"
    theirs.parent.mkdir()
    calculator.potential.save(str(theirs))
    content = torch.load(theirs, weights_only=True)
    del content["model"]["sbf.coef"]  # older releases do not write this constant
    torch.save(content, theirs)
    places = [tmp_path / name for name in ("once", "twice")]
    for place, source in zip(places, (theirs, places[0] / CHECKPOINT), strict=True):
        place.mkdir()
        FAMILY.adopt(str(source), None, place)
    assert (places[0] / CHECKPOINT).read_bytes() == (places[1] / CHECKPOINT).read_bytes()
    frame = FRAMES["silicon"].copy()
    frame.calc = calculator
    assert FAMILY.predict(places[0], [frame])[0].energy == pytest.approx(frame.get_potential_energy(), abs=2e-5)


def test_the_card_is_read_from_the_checkpoint(pretrained, tmp_path):
    card = FAMILY.adopt(str(pretrained), None, tmp_path)
    assert (card.family, card.name, card.level_of_theory) == ("mattersim", "soft-copper.pth", "unknown")
    assert (card.cutoff_A, card.head, card.heads) == (5.0, None, ())
    assert card.parameters == sum(weights.numel() for weights in FAMILY.load(tmp_path).module.parameters())
    assert len(card.elements) == 89
    assert "Po" not in card.elements
    assert set(ELEMENTS) < set(card.elements)


def test_published_weights_are_found_where_the_package_keeps_them_or_asked_for(pretrained, home, tmp_path):
    for name in (*PUBLISHED, "MatterSim-v1.0.0-5M.pth"):
        with pytest.raises(ModelError, match="have not been downloaded") as caught:
            FAMILY.adopt(name, None, tmp_path)
        assert "github.com/microsoft/mattersim" in caught.value.hint
    kept = home / ".local/mattersim/pretrained_models" / f"{PUBLISHED[0]}.pth"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(pretrained, kept)
    for source in (PUBLISHED[0], PUBLISHED[0].lower(), str(kept)):
        card = FAMILY.adopt(source, None, tmp_path)
        assert (card.level_of_theory, card.licence) == ("PBE/PBE+U (MatterSim)", "MIT")


def test_an_input_that_names_published_weights_is_told_where_they_are(tmp_path):
    group = {"method": "md", "temperatures_K": [300], "steps": 10, "every": 5}
    loop = {"explore": group, "label": {"method": "toy"}, "converge": {"force_rmse_relative": 0.1}}
    start = [{"file": "Cu.extxyz"}]
    content = {"name": "run", "teacher": {"family": "mattersim", "model": PUBLISHED[0]}, "structures": start}
    write_frames(tmp_path / "Cu.extxyz", [bulk("Cu", cubic=True)])
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(content | {"finetune": loop}))
    with pytest.raises(SettingError, match="neither shipped weights nor a file") as caught:
        check_input(read_input(tmp_path / "input.yaml"))
    assert f"{PUBLISHED[0]} is at https://github.com/microsoft/mattersim" in caught.value.hint


def test_untrained_models_differ_by_their_seed_alone(tmp_path):
    content = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        content.append(FAMILY.untrained(tmp_path / name, ["Si"], seed).read_bytes())
    assert content[0] == content[1] != content[2]
    with pytest.raises(ModelError, match="does not know Rn"):
        FAMILY.untrained(tmp_path, ["Rn"], 0)


def test_loading_says_nothing_and_leaves_the_package_whole(folder, capfd, package):
    before = list(warnings.filters)
    frame = FRAMES["silicon"].copy()
    frame.calc = FAMILY.calculator(folder)
    frame.get_stress()
    assert capfd.readouterr() == ("", "")
    assert warnings.filters == before
    import mattersim.forcefield

    assert mattersim.forcefield.Potential is sys.modules["mattersim.forcefield.potential"].Potential


def test_bad_sources_are_refused_and_their_code_is_not_run(pretrained, tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("sprung",)

    target = tmp_path / "model"
    target.mkdir()
    good = torch.load(pretrained, weights_only=True)
    cases = {
        "trap": {"model": Trap()},
        "other family": {"model": {"model_args": {}, "state_dict": {}}},
        "other architecture": good | {"model_name": "graphormer"},
        "other size": good | {"model_args": good["model_args"] | {"units": 32}},
        "lacking": good | {"model": {k: v for k, v in good["model"].items() if "final" not in k}},
    }
    for name, content in cases.items():
        torch.save(content, tmp_path / f"{name}.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    whole = pretrained.read_bytes()
    (tmp_path / "truncated.pth").write_bytes(whole[: len(whole) // 2])
    for name in (*cases, "text", "truncated", "missing"):
        with pytest.raises(ModelError, match=r"checkpoint|graphormer"):
            FAMILY.adopt(str(tmp_path / f"{name}.pth"), None, target)
    with pytest.raises(ModelError, match="no heads"):
        FAMILY.adopt(str(pretrained), "PBE", target)
    assert not list(target.iterdir())


def test_what_it_does_not_know_is_named(folder, tmp_path):
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.predict(folder, [Atoms("Po", cell=[3, 3, 3], pbc=True)])
    labels = Labels(0.0, np.zeros((1, 3)), np.zeros(6))
    frame = with_labels(without_labels(bulk("Ra", "bcc", a=5.0)), labels)
    with pytest.raises(ModelError, match="does not know Ra"):
        fine_tune_model(folder, [frame], [], MatterSimFineTuneSettings(steps=1), 0, tmp_path / "tuned")
