"""DeePMD: heads, weights and shift of a small pre-trained DPA-1, its fine-tuning; students in LAMMPS; refusals."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from tests.models.deepmd_pretrained import HEADS, copper, dpa3, pretrain

from pfd.errors import DataError, MissingError, ModelError, TaskFailed, TransientError
from pfd.frames import Labels, with_labels
from pfd.lammps.md import run_lammps_md
from pfd.lammps.session import open_lammps
from pfd.models.agreement import require_agreement_in_lammps
from pfd.models.deepmd import teacher, training_run
from pfd.models.deepmd.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from pfd.models.deepmd.family import DeePMD
from pfd.models.deepmd.graph import GRAPH, foreign_operations, read_graph, write_graph
from pfd.models.deepmd.package import load_backend
from pfd.models.deepmd.settings import DeePMDFineTuneSettings, DeePMDFitSettings
from pfd.models.deepmd.untrained import small_network
from pfd.models.export import export_lammps
from pfd.models.family import EpochRecord, read_model
from pfd.models.repulsion import FILE as REPULSION
from pfd.models.repulsion import Repulsion, pair_key
from pfd.models.speed import lammps_speed_us
from pfd.models.training import adopt_model, fine_tune_model, fit_model
from pfd.program import Finished
from pfd.testing.family_contract import check_family
from pfd.testing.toy_potential import ToyCalculator, morse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.deepmd
FAMILY = DeePMD()
TEST = copper(8, 7)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    return pretrain(tmp_path_factory.mktemp("pretrained"))


@pytest.fixture(scope="module")
def high(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("high")
    adopt_model(FAMILY, str(pretrained), "high", folder)
    return folder


@pytest.fixture
def folder(high, tmp_path):
    return shutil.copytree(high, tmp_path / "model")


def errors(folder, frames) -> tuple[float, float]:
    """Force RMSE, eV/Å, and energy RMSE per atom after the best shift, eV."""
    found = FAMILY.predict(folder, frames)
    forces = [labels.forces - frame.get_forces() for labels, frame in zip(found, frames, strict=True)]
    energies = [
        (labels.energy - frame.get_potential_energy()) / len(frame) for labels, frame in zip(found, frames, strict=True)
    ]
    return float(np.sqrt(np.mean(np.square(forces)))), float(np.std(energies))


def stress_error(folder) -> float:
    found = FAMILY.predict(folder, TEST)
    return float(
        np.sqrt(np.mean([(labels.stress - frame.get_stress()) ** 2 for labels, frame in zip(found, TEST, strict=True)]))
    )


# Checkpoints


def test_heads_are_listed_and_must_be_named(pretrained, tmp_path):
    with pytest.raises(ModelError, match="low, high"):
        FAMILY.adopt(str(pretrained), None, tmp_path)
    with pytest.raises(ModelError, match="no head 'middle'"):
        FAMILY.adopt(str(pretrained), "middle", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_card_is_read_from_the_checkpoint(high):
    card = read_model(high).card
    assert (card.family, card.head, card.heads) == ("deepmd", "high", ("low", "high"))
    assert card.elements == ("Cu",)  # gold is a type, of which no frame was trained on
    assert card.cutoff_A == 5.0
    assert 4000 < card.parameters < 6000
    assert "LGPL" in card.licence
    with pytest.raises(ModelError, match="does not know Au"):
        FAMILY.predict(high, [bulk("Au")])


def test_each_head_was_trained_on_its_own_frames(pretrained, high, tmp_path):
    FAMILY.adopt(str(pretrained), "low", tmp_path)
    for place, head in ((tmp_path, "low"), (high, "high")):
        own = copper(8, 107, *HEADS[head])
        force_error, _ = errors(place, own)
        assert force_error < 0.4 * np.sqrt(np.mean([frame.get_forces() ** 2 for frame in own]))
        found = sum(labels.energy for labels in FAMILY.predict(place, own))
        assert found / 32 == pytest.approx(sum(frame.get_potential_energy() for frame in own) / 32, abs=0.1)


def test_our_evaluation_is_the_package_s(pretrained, high):
    load_backend()
    frames = [*TEST[:2], fcc111("Cu", (1, 1, 2), vacuum=9.0), bulk("Cu")]
    frames[2].pbc = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from deepmd.infer import DeepPot

        package = DeepPot(str(pretrained), head="high", no_jit=True)
    for frame, ours in zip(frames, FAMILY.predict(high, frames), strict=True):
        cell = frame.cell.array.reshape(1, -1) if frame.pbc.all() else None
        energy, forces, virial = package.eval(frame.positions.reshape(1, -1), cell, [0] * len(frame))
        assert ours.energy == pytest.approx(float(energy[0, 0]), abs=1e-5)
        np.testing.assert_allclose(ours.forces, forces[0], atol=1e-5)
        if frame.pbc.all():
            stress = -virial.reshape(3, 3) / frame.get_volume()
            np.testing.assert_allclose(ours.stress, stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], atol=1e-6)
        else:
            assert ours.stress is None


def test_slabs_do_not_see_their_images(high):
    slab = fcc111("Cu", (2, 2, 2), vacuum=2.0)
    slab.rattle(0.1, seed=1)
    wide = slab.copy()
    wide.center(vacuum=10.0, axis=2)
    wide.pbc = True
    (thin, expected) = FAMILY.predict(high, [slab, wide])
    assert thin.energy == pytest.approx(expected.energy, abs=1e-5)
    np.testing.assert_allclose(thin.forces, expected.forces, atol=1e-5)


def test_our_checkpoint_survives_being_read_again(folder, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    card = FAMILY.adopt(str(folder / CHECKPOINT), None, again)
    assert (again / CHECKPOINT).read_bytes() == (folder / CHECKPOINT).read_bytes()
    assert card.head is None
    with pytest.raises(ModelError, match="leave head out"):
        FAMILY.adopt(str(folder / CHECKPOINT), "high", again)
    potential = FAMILY.load(folder)
    FAMILY.save(potential, folder)
    assert (again / CHECKPOINT).read_bytes() == (folder / CHECKPOINT).read_bytes()


def test_the_teacher_keeps_the_contract(folder):
    check_family(FAMILY, folder, TEST[0])
    with pytest.raises(ModelError, match="Po"):
        FAMILY.add_energy_shift(folder, {"Po": 1.0})


def test_untrained_models_are_taken_as_any_other(tmp_path):
    source = FAMILY.untrained(tmp_path, ["Si", "C"], 5)
    model = tmp_path / "model"
    model.mkdir()
    assert FAMILY.adopt(str(source), "low", model).elements == ("Si", "C")
    frame = bulk("SiC", "zincblende", a=4.3)
    frame.rattle(0.1, seed=1)
    check_family(FAMILY, model, frame)
    first = source.read_bytes()
    assert FAMILY.untrained(tmp_path, ["Si", "C"], 5).read_bytes() == first
    assert FAMILY.untrained(tmp_path, ["Si", "C"], 6).read_bytes() != first


def test_rough_attention_is_computed_in_double_precision(tmp_path):
    """In single precision such a network's forces are wrong by orders of magnitude; see ``teacher.usable``."""
    network = small_network(["Cu"], 3)
    network["descriptor"]["smooth_type_embedding"] = False
    package = load_backend()
    module = package.get_model(json.loads(json.dumps(network)))
    module.get_descriptor().se_atten.stddev.mul_(0.08)  # as the statistics of frames make it
    source = tmp_path / "source"
    source.mkdir()
    Checkpoint(network, dict(module.state_dict())).save(source)
    FAMILY.adopt(str(source / CHECKPOINT), None, tmp_path)
    assert read_checkpoint(tmp_path / CHECKPOINT).parameters["descriptor"]["precision"] == "float64"
    for frame in TEST[:3]:
        check_family(FAMILY, tmp_path, frame)


def test_a_frozen_model_is_taken_if_it_is_trusted(high, tmp_path):
    frozen = tmp_path / "frozen.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(read_checkpoint(high / CHECKPOINT).module()).save(str(frozen))
    model = tmp_path / "model"
    model.mkdir()
    with pytest.raises(ModelError, match="trust_file"):
        FAMILY.adopt(str(frozen), None, model)
    assert not list(model.iterdir())
    FAMILY.adopt(str(frozen), None, model, trust_file=True)
    assert FAMILY.predict(model, TEST[:1])[0].energy == FAMILY.predict(high, TEST[:1])[0].energy
    frozen.write_bytes(frozen.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a frozen DeePMD model"):
        FAMILY.adopt(str(frozen), None, model, trust_file=True)


class Trap:
    def __reduce__(self):
        return print, ("sprung",)


def test_bad_sources_are_refused_and_their_code_is_not_run(pretrained, tmp_path, capsys):
    torch.save({"model": Trap()}, tmp_path / "trap.pt")
    torch.save({"model_state_dict": {}, "config": {}}, tmp_path / "foreign.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    (tmp_path / "truncated.pt").write_bytes(pretrained.read_bytes()[:5000])
    model = tmp_path / "model"
    model.mkdir()
    for name in ("trap.pt", "foreign.pt", "text.pt", "truncated.pt"):
        with pytest.raises(ModelError, match="not a DeePMD checkpoint"):
            FAMILY.adopt(str(tmp_path / name), "high", model)
    with pytest.raises(ModelError, match="no such checkpoint"):
        FAMILY.adopt(str(tmp_path / "missing.pt"), None, model)
    with pytest.raises(ModelError, match="no such file"):
        FAMILY.adopt(str(tmp_path), None, model)
    assert not list(model.iterdir())
    assert "sprung" not in capsys.readouterr().out


def test_models_that_need_more_than_positions_are_refused(high, tmp_path):
    whole = read_checkpoint(high / CHECKPOINT)
    fitting = whole.parameters["fitting_net"]
    cases = {
        "spin": whole.parameters | {"spin": {}},
        "dipole": whole.parameters | {"fitting_net": fitting | {"type": "dipole"}},
        "frame parameters": whole.parameters | {"fitting_net": fitting | {"numb_fparam": 1}},
        "deepmd-kit cannot build": whole.parameters | {"descriptor": {"type": "none"}},
    }
    package = load_backend()
    for says, parameters in cases.items():
        weights = whole.weights
        if says == "frame parameters":
            weights = dict(package.get_model(json.loads(json.dumps(parameters))).state_dict())
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        dataclasses.replace(whole, parameters=parameters, weights=weights).save(source)
        with pytest.raises(ModelError, match=says):
            FAMILY.adopt(str(source / CHECKPOINT), None, tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_process_keeps_its_device():
    load_backend()
    with pytest.raises(MissingError, match="cannot change to cuda"):
        load_backend("cuda")


# Fine-tuning


def test_fine_tuning_halves_both_errors_and_repeats_itself(high, tmp_path):
    told: list[tuple[float, str]] = []

    def train(folder):
        settings = DeePMDFineTuneSettings(steps=240, validations=4, learning_rate=3e-3)
        frames = copper(16, 3), copper(4, 4)
        return fine_tune_model(high, *frames, settings, 7, folder, lambda *progress: told.append(progress))

    reports = [train(tmp_path / name) for name in ("first", "second")]
    before, after = errors(high, TEST), errors(tmp_path / "first", TEST)
    assert after[0] < 0.5 * before[0]
    assert after[1] < 0.5 * before[1]
    assert stress_error(tmp_path / "first") < 0.5 * stress_error(high)
    assert reports[0] == reports[1]
    assert (tmp_path / "first" / CHECKPOINT).read_bytes() == (tmp_path / "second" / CHECKPOINT).read_bytes()
    assert [row.step for row in reports[0].curve] == [1, 60, 120, 180, 240]
    assert reports[0].curve[-1].valid_force_rmse_eV_per_A < 0.5 * reports[0].curve[0].valid_force_rmse_eV_per_A
    assert told[-1][0] == 1.0
    assert re.fullmatch(r"step 240 of 240: force RMSE \d+ meV/Å", told[-1][1])
    model = read_model(tmp_path / "first")
    assert model.card.head == "high"
    assert model.energy_shift_eV["Cu"] == pytest.approx(-1.5, abs=1.0)
    energies = [labels.energy for labels in FAMILY.predict(tmp_path / "first", TEST)]
    assert np.mean([e - f.get_potential_energy() for e, f in zip(energies, TEST, strict=True)]) / 4 < 0.05


@pytest.fixture
def graph_network(tmp_path):
    """A DPA-3 of random weights."""
    network = dpa3(["Cu", "Au"])
    module = load_backend().get_model(json.loads(json.dumps(network)))
    source, folder = tmp_path / "source", tmp_path / "dpa3"
    source.mkdir()
    folder.mkdir()
    Checkpoint(network, dict(module.state_dict())).save(source)
    FAMILY.adopt(str(source / CHECKPOINT), None, folder)
    return folder


def test_a_dpa_3_keeps_the_contract(graph_network):
    check_family(FAMILY, graph_network, TEST[0])


@pytest.mark.parametrize(
    ("model", "freeze", "moved"),
    [("folder", "descriptor", "fitting_net"), ("graph_network", "fitting", "descriptor")],
)
def test_frozen_parts_stay_as_they_are(model, freeze, moved, request):
    folder = request.getfixturevalue(model)
    before = read_checkpoint(folder / CHECKPOINT)
    file = {"training": {"numb_steps": 3}, "optimizer": {"type": "AdamW"}}
    settings = DeePMDFineTuneSettings(freeze=freeze, settings_file=file, validations=1)
    report = FAMILY.fine_tune(folder, copper(2, 3), [], settings, 7)
    after = read_checkpoint(folder / CHECKPOINT)
    assert report.best_step == 3
    assert after.parameters == before.parameters
    changed = {
        name.split(".")[1] for name, weight in before.weights.items() if not torch.equal(after.weights[name], weight)
    }
    assert changed == {moved}


def test_weights_that_validation_finds_clearly_better_are_kept(high, tmp_path):
    good = read_checkpoint(high / CHECKPOINT)
    spoiled = {name: weight * 1.5 if "fitting_net" in name else weight for name, weight in good.weights.items()}
    valid = copper(5, 9, *HEADS["high"])
    for order, best in (((good.weights, spoiled), 1), ((spoiled, good.weights), 2)):
        for step, weights in enumerate(order, start=1):
            dataclasses.replace(good, weights=weights).save(tmp_path)
            (tmp_path / CHECKPOINT).rename(tmp_path / f"model.ckpt-{step}.pt")
        curve = [
            EpochRecord(step=step, loss=1.0, valid_force_rmse_eV_per_A=error) for step, error in ((1, 0.2), (2, 0.3))
        ]
        step, kept = teacher._better(good, tmp_path, curve, 2, valid, "cpu")
        assert step == best
        assert all(torch.equal(kept.weights[name], weight) for name, weight in good.weights.items())


def test_what_the_package_says_is_passed_on(folder, capfd):
    before = (folder / CHECKPOINT).read_bytes()
    settings = DeePMDFineTuneSettings(settings_file={"loss": {"type": "nonsense"}})
    with pytest.raises(TaskFailed, match="nonsense"):
        FAMILY.fine_tune(folder, copper(2, 3), [], settings, 7)
    assert "nonsense" in capfd.readouterr().out
    assert (folder / CHECKPOINT).read_bytes() == before


def test_a_killed_training_may_be_tried_again(folder, monkeypatch):
    monkeypatch.setattr(training_run, "run_program", lambda *_, **__: Finished(-9, False, "", 1.0))
    with pytest.raises(TransientError, match="killed"):
        FAMILY.fine_tune(folder, copper(2, 3), [], DeePMDFineTuneSettings(steps=2), 7)


def test_parts_that_are_not_there_cannot_be_frozen():
    with pytest.raises(ModelError, match="no descriptor"):
        teacher.with_frozen({"type_map": ["Cu"]}, "descriptor")


# Students


def alloy(count: int, seed: int):
    """Displaced copper-gold cells; a Morse potential whose strength each pair of elements has of its own."""
    generator = np.random.default_rng(seed)
    strengths = np.array([0.6, 1.2, 0.9])
    frames = []
    for _ in range(count):
        frame = bulk("Cu", "fcc", a=3.8, cubic=True)
        frame.set_chemical_symbols(generator.permutation(["Cu", "Cu", "Au", "Au"]))
        frame.positions += generator.normal(0, 0.1, frame.positions.shape)
        toy = ToyCalculator(["Au", "Cu"], morse(), strengths, {"Cu": -2.0, "Au": -1.0})
        labels = Labels(toy.get_potential_energy(frame), toy.get_forces(frame), toy.get_stress(frame))
        frames.append(with_labels(frame, labels))
    return frames


STUDENTS = {
    "se_e2_a": (copper, {"kind": "se_e2_a"}),
    "se_atten_v2": (alloy, {"kind": "se_atten_v2"}),
}


@pytest.fixture(scope="module", params=STUDENTS)
def student(request, tmp_path_factory):
    frames, settings = STUDENTS[request.param]
    folder = tmp_path_factory.mktemp("student")
    settings = DeePMDFitSettings(size="S", cutoff_A=5.0, steps=160, validations=4, **settings)
    report = fit_model(FAMILY, frames(16, 3), frames(4, 4), settings, 5, folder)
    if request.param == "se_atten_v2":  # of the two, the one with a network more to draw weights for
        again = tmp_path_factory.mktemp("again")
        assert fit_model(FAMILY, frames(16, 3), frames(4, 4), settings, 5, again) == report
        assert (again / GRAPH).read_bytes() == (folder / GRAPH).read_bytes()
    return folder, frames, report


def test_a_student_learns(student):
    folder, frames, report = student
    test = frames(8, 7)
    assert errors(folder, test)[0] < 0.4 * np.sqrt(np.mean([frame.get_forces() ** 2 for frame in test]))
    assert report.curve[-1].step == report.best_step == 160
    card = read_model(folder).card
    assert card.elements == tuple(sorted({symbol for frame in test for symbol in frame.get_chemical_symbols()}))
    assert card.cutoff_A == 5.0
    assert card.parameters > 1000
    assert foreign_operations(read_graph(folder / GRAPH)) == []


def test_a_student_keeps_the_contract(student, tmp_path):
    folder, frames, _ = student
    copy = shutil.copytree(folder, tmp_path / "model")
    check_family(FAMILY, copy, frames(1, 8)[0])
    with pytest.raises(ModelError, match="Po"):
        FAMILY.add_energy_shift(copy, {"Po": 1.0})


def test_a_student_runs_in_lammps(student, tmp_path, monkeypatch, capfd):
    folder, frames, _ = student
    known = frames(2, 9)
    target = tmp_path / "for lammps"
    export_lammps(folder, known, target)
    assert {path.name for path in target.iterdir()} == {"in.lammps", "structure.data", "README.md", GRAPH, REPULSION}
    assert "deepmd-kit" in (target / "README.md").read_text(encoding="utf-8")
    text = (target / "in.lammps").read_text(encoding="utf-8")
    assert f"pair_style hybrid/overlay deepmd {GRAPH} zbl " in text  # the network, and the repulsion of each pair
    short = text.replace("run 1000", "run 0").replace("fix bath", "# fix bath")
    (target / "short.lammps").write_text(short, encoding="utf-8")
    monkeypatch.chdir(target)
    capfd.readouterr()
    lammps = open_lammps()
    try:
        lammps.file("short.lammps")
        energy = lammps.get_thermo("pe")
    finally:
        lammps.close()
    expected = FAMILY.predict(folder, known[:1])[0]
    assert energy == pytest.approx(expected.energy, abs=1e-4)
    potential = FAMILY.lammps_potential(folder)
    stored = list(run_lammps_md(potential, known[0].repeat(2), ensemble="nvt", steps=4, every=2))
    assert [frame.step for frame in stored] == [0, 2, 4]
    assert lammps_speed_us(potential, known[0], atoms=32, steps=2, repeats=1) > 0


def test_a_student_repels_below_its_training_distances(student, tmp_path):
    folder = student[0]
    FAMILY.adopt(str(folder), None, tmp_path)
    assert (tmp_path / REPULSION).is_file()
    repulsion = Repulsion.read(tmp_path)
    (tmp_path / REPULSION).unlink()
    first, second = next(iter(repulsion.ranges_A)).split("-")
    outer = repulsion.ranges_A[pair_key(first, second)][1]
    pair = Atoms([first, second], positions=[[0, 0, 0], [0.8 * outer, 0, 0]], cell=[15.0] * 3, pbc=True)
    plain, whole = (FAMILY.predict(each, [pair])[0] for each in (tmp_path, folder))
    assert repulsion.labels(pair).energy > 1e-3
    assert whole.energy == pytest.approx(plain.energy + repulsion.labels(pair).energy, abs=1e-6)
    assert whole.forces == pytest.approx(plain.forces + repulsion.labels(pair).forces, abs=1e-6)


def test_lammps_says_nothing(student, capfd):
    folder, frames, _ = student
    FAMILY.predict(folder, frames(1, 9))
    assert capfd.readouterr() == ("", "")


def test_a_wrong_student_is_refused_with_both_numbers(student, tmp_path):
    folder, frames, _ = student
    known = frames(2, 9)
    found = FAMILY.predict(folder, known)
    require_agreement_in_lammps(FAMILY.lammps_potential(folder), found, known, "")
    copy = shutil.copytree(folder, tmp_path / "model")
    FAMILY.add_energy_shift(copy, {"Cu": 0.004})
    with pytest.raises(TaskFailed, match=r"LAMMPS is off the model by [\d.]+e-03 eV/atom and [\d.]+e[+-]\d\d eV/Å"):
        require_agreement_in_lammps(FAMILY.lammps_potential(copy), found, known, "")


def test_a_student_is_adopted_and_not_trained_further(student, tmp_path):
    folder, _, _ = student
    card = FAMILY.adopt(str(folder), None, tmp_path)
    assert card == read_model(folder).card
    assert (tmp_path / GRAPH).read_bytes() == (folder / GRAPH).read_bytes()
    assert FAMILY.adopt(str(folder / GRAPH), None, tmp_path).cutoff_A == 5.0
    with pytest.raises(ModelError, match="cannot be fine-tuned"):
        FAMILY.fine_tune(tmp_path, copper(2, 3), [], DeePMDFineTuneSettings(steps=1), 0)
    with pytest.raises(ModelError, match="by LAMMPS only"):
        FAMILY.load(tmp_path)
    with pytest.raises(ModelError, match="no heads"):
        FAMILY.adopt(str(folder), "high", tmp_path)


def test_graphs_with_operations_of_their_own_must_be_trusted(student, tmp_path):
    graph = read_graph(student[0] / GRAPH)
    graph.node.add(op="ReadFile", name="secrets")
    write_graph(graph, tmp_path / "odd.pb")
    with pytest.raises(ModelError, match="ReadFile"):
        FAMILY.adopt(str(tmp_path / "odd.pb"), None, tmp_path)
    (tmp_path / "text.pb").write_text("no graph")
    with pytest.raises(ModelError, match="not a frozen DeePMD model"):
        FAMILY.adopt(str(tmp_path / "text.pb"), None, tmp_path)
    assert not (tmp_path / GRAPH).exists()


def test_a_student_without_compression(tmp_path):
    settings = DeePMDFitSettings(embedding=(4, 8), fitting=(16,), cutoff_A=4.0, steps=2, compress=False)
    card, _ = FAMILY.fit(tmp_path, alloy(4, 3), [], settings, 5)
    assert (card.name, card.elements, card.cutoff_A) == ("se_e2_a custom", ("Au", "Cu"), 4.0)
    assert FAMILY.predict(tmp_path, alloy(1, 9))[0].stress is not None


def test_students_refuse_what_they_cannot_learn_from(tmp_path):
    with pytest.raises(DataError, match="carry no energy"):
        FAMILY.fit(tmp_path, [bulk("Cu")], [], DeePMDFitSettings(), 0)
    with pytest.raises(DataError, match="hold Au"):
        FAMILY.fit(tmp_path, copper(2, 3), alloy(1, 3), DeePMDFitSettings(), 0)
    assert not list(tmp_path.iterdir())


def test_teachers_have_no_pair_style(high):
    assert FAMILY.lammps_potential(high) is None
