"""MACE: pickled modules adopted with care, our evaluation against the package's, every way of fine-tuning, students."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import HealthCheck, given, settings, strategies
from pydantic import ValidationError

from pfd.errors import DataError, ModelError, TaskFailed
from pfd.frames import Labels, fit_energy_shift, labels_of, with_labels, without_labels, write_frames
from pfd.models import mace_adoption
from pfd.models.family import read_model
from pfd.models.mace import MACE, write_package_file
from pfd.models.mace_adoption import adopt_checkpoint
from pfd.models.mace_checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from pfd.models.mace_heads import single_head, with_heads
from pfd.models.mace_module import ENERGIES, default_dtype, quiet
from pfd.models.mace_potential import MACEPotential
from pfd.models.mace_settings import MACEFineTuneSettings, MACEFitSettings
from pfd.models.torch_potential import predict_frames
from pfd.models.training import adopt_model, fine_tune_model
from pfd.testing.family_contract import check_family
from pfd.testing.toy_potential import ToyCalculator, morse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.mace
FAMILY = MACE()
ELEMENTS = ("Al", "Cu")
SOFT = ToyCalculator(ELEMENTS, morse(), np.array([0.5, 0.6, 0.7]), {"Al": -2.0, "Cu": -3.0})
"""What the small foundation models are trained on: one strength for each pair of elements, too soft."""
TRUE = ToyCalculator(ELEMENTS, morse(), np.array([1.0, 1.2, 1.4]), {"Al": -40.0, "Cu": -1640.0})
"""What they are fine-tuned to."""


def frames(count: int, seed: int, calculator=TRUE, elements=ELEMENTS) -> list[Atoms]:
    """Labelled cells of four atoms, displaced by 0.12 Å, of compositions drawn at random."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        frame = bulk("Cu", cubic=True, a=3.6 * (1 + random.normal(0, 0.02)))
        frame.positions += random.normal(0, 0.12, frame.positions.shape)
        frame.symbols = random.choice(elements, size=len(frame))
        labelled = frame.copy()
        labelled.calc = calculator
        energy, forces, stress = labelled.get_potential_energy(), labelled.get_forces(), labelled.get_stress()
        made.append(with_labels(frame, Labels(energy, forces, stress)))
    return made


TRAIN, VALID, UNSEEN = frames(20, 10), frames(4, 11), frames(20, 12)
OLD = frames(20, 2, SOFT)


def errors(folder: Path, labelled: list[Atoms], *, shifted: bool = False) -> tuple[float, float]:
    """Force RMSE (eV/Å) and energy RMSE (eV per atom), if asked after the best constant per element."""
    predicted = FAMILY.predict(folder, labelled)
    shift = fit_energy_shift(labelled, predicted)
    forces = np.concatenate([p.forces - labels_of(f).forces for p, f in zip(predicted, labelled, strict=True)])
    energies = [
        (p.energy + shifted * shift.of(f) - labels_of(f).energy) / len(f)
        for p, f in zip(predicted, labelled, strict=True)
    ]
    return float(np.sqrt((forces**2).mean())), float(np.sqrt(np.mean(np.square(energies))))


def pre_trained(folder: Path, labelled: list[Atoms]) -> Path:
    """A small MACE, trained for seconds and saved as the package saves its foundation models."""
    FAMILY.fit(folder, labelled, [], MACEFitSettings(cutoff_A=4.5, epochs=12, validations=1), 0)
    write_package_file(folder, folder / "foundation.model")
    return folder / "foundation.model"


@pytest.fixture(scope="module")
def foundation(tmp_path_factory):
    return pre_trained(tmp_path_factory.mktemp("foundation"), frames(24, 0, SOFT))


@pytest.fixture(scope="module")
def adopted(foundation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adopted")
    adopt_model(FAMILY, str(foundation), None, folder, trust_file=True)
    return folder


@pytest.fixture
def folder(adopted, tmp_path):
    return shutil.copytree(adopted, tmp_path / "model")


@pytest.fixture(scope="module")
def replay_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "old.extxyz"
    write_frames(path, [without_labels(frame) for frame in frames(20, 13, SOFT)])
    return str(path)


@pytest.fixture(scope="module")
def naive(adopted, tmp_path_factory):
    """Fine-tuned without anything special."""
    folder = tmp_path_factory.mktemp("naive") / "model"
    fine_tune_model(adopted, TRAIN, VALID, tuning(), 0, folder)
    return folder


def tuning(**options) -> MACEFineTuneSettings:
    return MACEFineTuneSettings.model_validate({"steps": 240, "validations": 3, "learning_rate": 5e-3, **options})


def package_module(path: Path, *, heads=("Default",), dtype=torch.float32, kind="ScaleShiftMACE", elements=(13, 29)):
    """A random module of the package, pickled whole, with all that differs between heads different."""
    with quiet(), default_dtype(dtype), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        from mace import modules
        from mace.modules.models import o3

        options = {"atomic_inter_scale": 1.0 + np.arange(len(heads)), "atomic_inter_shift": 0.1 * np.arange(len(heads))}
        module = getattr(modules, kind)(
            r_max=4.0,
            num_bessel=6,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=modules.RealAgnosticResidualInteractionBlock,
            interaction_cls_first=modules.RealAgnosticInteractionBlock,
            num_interactions=2,
            num_elements=len(elements),
            hidden_irreps=o3.Irreps("8x0e + 8x1o"),
            MLP_irreps=o3.Irreps("4x0e"),
            atomic_energies=-3.0 - np.arange(len(heads) * len(elements)).reshape(len(heads), -1),
            avg_num_neighbors=12.0,
            atomic_numbers=list(elements),
            correlation=2,
            gate=torch.nn.functional.silu,
            heads=list(heads),
            pair_repulsion=True,
            distance_transform="Agnesi",
            radial_MLP=[8, 8],
            **(options if kind == "ScaleShiftMACE" else {}),
        )
        torch.save(module, path)
    return path


@pytest.mark.parametrize(
    ("kind", "precision", "heads"),
    [
        ("ScaleShiftMACE", "float32", ("pbe", "r2scan")),
        ("ScaleShiftMACE", "float64", ("Default",)),
        ("MACE", "float64", ("pbe", "r2scan")),
    ],
)
def test_our_evaluation_is_the_package_s(kind, precision, heads, tmp_path):
    path = package_module(tmp_path / "x.model", heads=heads, dtype=getattr(torch, precision), kind=kind)
    name = heads[-1] if len(heads) > 1 else None
    card = FAMILY.adopt(str(path), name, tmp_path, trust_file=True)
    assert (card.heads, card.head, card.elements, card.cutoff_A) == (heads, heads[-1], ELEMENTS, 4.0)
    molecule = Atoms("CuAlCu", [[0, 0, 0], [2.4, 0, 0], [0.1, 2.3, 0.2]])
    crystals = frames(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        calculator = MACECalculator(model_paths=str(path), head=heads[-1], default_dtype=precision, device="cpu")
    for frame, ours in zip([*crystals, molecule], FAMILY.predict(tmp_path, [*crystals, molecule]), strict=True):
        theirs = frame.copy()
        theirs.calc = calculator
        assert ours.energy == pytest.approx(theirs.get_potential_energy(), abs=2e-5)
        np.testing.assert_allclose(ours.forces, theirs.get_forces(), atol=2e-5)
        if frame.pbc.all():
            np.testing.assert_allclose(ours.stress, theirs.get_stress(), atol=1e-6)
    assert read_checkpoint(tmp_path).weights["r_max"].dtype is getattr(torch, precision)


def test_what_is_adopted_is_safe_and_the_same_again(foundation, adopted, tmp_path):
    assert torch.load(adopted / CHECKPOINT, weights_only=True)["format"]
    first, second = tmp_path / "first", tmp_path / "second"
    for source, target in ((foundation, first), (adopted / CHECKPOINT, second)):
        target.mkdir()
        FAMILY.adopt(str(source), None, target, trust_file=True)
        assert (target / CHECKPOINT).read_bytes() == (adopted / CHECKPOINT).read_bytes()
    again = read_model(adopted).card
    assert (again.family, again.name, again.elements, again.cutoff_A) == ("mace", "foundation.model", ELEMENTS, 4.5)
    assert again.parameters > 5000
    assert "depends on the file" in again.licence


def test_the_package_reads_what_we_write(adopted, tmp_path):
    write_package_file(adopted, tmp_path / "x.model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        frame = frames(1, 5)[0].copy()
        frame.calc = MACECalculator(model_paths=str(tmp_path / "x.model"), default_dtype="float32", device="cpu")
    ours = FAMILY.predict(adopted, [frame])[0]
    assert frame.get_potential_energy() == pytest.approx(ours.energy, abs=1e-4)
    np.testing.assert_allclose(frame.get_forces(), ours.forces, atol=1e-5)


def test_a_pickle_is_read_only_if_somebody_vouches_for_it(foundation, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="runs whatever code is in it") as caught:
        FAMILY.adopt(str(foundation), None, tmp_path)
    assert "trust_file: true" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(mace_adoption.KNOWN_FILES, mace_adoption.file_digest(foundation), "ours")
    assert FAMILY.adopt(str(foundation), None, tmp_path).head == "Default"


class Trap:
    """Its pickle makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_trap_is_not_sprung(tmp_path):
    sprung, target = tmp_path / "sprung", tmp_path / "target"
    target.mkdir()
    torch.save(Trap(sprung), tmp_path / "trap.model")
    torch.save({"format": "pfd-mace-1", "about": Trap(sprung)}, tmp_path / "ours.pt")
    for name in ("trap.model", "ours.pt"):
        with pytest.raises(ModelError, match="runs whatever code is in it"):
            FAMILY.adopt(str(tmp_path / name), None, target)
    shutil.copy(tmp_path / "ours.pt", target / CHECKPOINT)
    with pytest.raises(ModelError, match="more than plain data"):
        FAMILY.load(target)
    assert not sprung.exists()


@pytest.mark.parametrize("trust", [False, True])
def test_files_of_another_kind_are_refused(trust, foundation, tmp_path):
    whole = foundation.read_bytes()
    (tmp_path / "cut.model").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.model").write_text("no checkpoint")
    torch.save({"model_args": {}, "state_dict": {}}, tmp_path / "dict.pt")
    torch.save({"optimizer": {}, "model": {}}, tmp_path / "training.pt")
    target = tmp_path / "target"
    target.mkdir()
    for name in ("cut.model", "text.model", "dict.pt", "training.pt"):
        with pytest.raises(ModelError, match="not a MACE checkpoint"):
            FAMILY.adopt(str(tmp_path / name), None, target, trust)
    with pytest.raises(ModelError, match="no such checkpoint"):
        FAMILY.adopt(str(tmp_path / "none.model"), None, target, trust)
    assert list(target.iterdir()) == []


def test_modules_that_are_no_mace_are_refused(tmp_path, foundation):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "linear.model")
    with pytest.raises(ModelError, match="Linear is no MACE"):
        FAMILY.adopt(str(tmp_path / "linear.model"), None, tmp_path, trust_file=True)
    with quiet():
        module = torch.load(foundation, weights_only=False)
    module.interactions[1].avg_num_neighbors *= 2  # which the package's own description does not know
    torch.save(module, tmp_path / "odd.model")
    with pytest.raises(ModelError, match="built anew, the module is off"):
        FAMILY.adopt(str(tmp_path / "odd.model"), None, tmp_path, trust_file=True)


def test_heads_must_be_named_and_differ(tmp_path):
    path = package_module(tmp_path / "x.model", heads=("pbe", "r2scan", "hse"))
    with pytest.raises(ModelError, match="several heads") as caught:
        FAMILY.adopt(str(path), None, tmp_path, trust_file=True)
    assert "pbe, r2scan, hse" in caught.value.hint
    with pytest.raises(ModelError, match="no head 'b3lyp'") as caught:
        FAMILY.adopt(str(path), "b3lyp", tmp_path, trust_file=True)
    assert "pbe, r2scan, hse" in caught.value.hint
    energies = []
    for head in ("pbe", "hse"):
        FAMILY.adopt(str(path), head, tmp_path, trust_file=True)
        energies.append(FAMILY.predict(tmp_path, OLD[:1])[0].energy)
        FAMILY.adopt(str(tmp_path / CHECKPOINT), None, tmp_path)  # the choice stays
        assert FAMILY.predict(tmp_path, OLD[:1])[0].energy == energies[-1]
    assert abs(energies[0] - energies[1]) > 1.0


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=strategies.lists(strategies.sampled_from(["pbe", "r2scan"]), min_size=1, max_size=4))
def test_copied_heads_predict_what_the_originals_do(sources, tmp_path):
    checkpoint = adopt_checkpoint(package_module(tmp_path / "x.model", heads=("pbe", "r2scan")), trust_file=True)
    names = [f"copy{index}" for index in range(len(sources))]
    copies = MACEPotential(with_heads(checkpoint, names, sources, names[0]))
    original = MACEPotential(checkpoint)
    for name, source in zip(names, sources, strict=True):
        before = predict_frames(original.for_head(source), OLD[:1], "")[0]
        after = predict_frames(copies.for_head(name), OLD[:1], "")[0]
        assert after.energy == pytest.approx(before.energy, abs=1e-5)
        np.testing.assert_allclose(after.forces, before.forces, atol=1e-5)
    single = MACEPotential(single_head(with_heads(checkpoint, names, sources, names[-1])))
    assert single.checkpoint.heads == (names[-1],)
    assert predict_frames(single, OLD[:1], "")[0].energy == pytest.approx(
        predict_frames(original.for_head(sources[-1]), OLD[:1], "")[0].energy, abs=1e-5
    )


def test_large_shifts_lose_no_digits(folder):
    before = FAMILY.predict(folder, OLD[:1])[0]
    shift = {"Al": -6600.1234567, "Cu": -45000.7654321}
    FAMILY.add_energy_shift(folder, shift)
    after = FAMILY.predict(folder, OLD[:1])[0]
    expected = sum(shift[symbol] for symbol in OLD[0].get_chemical_symbols())
    assert after.energy - before.energy == pytest.approx(expected, abs=1e-8)
    np.testing.assert_array_equal(after.forces, before.forces)
    np.testing.assert_array_equal(after.stress, before.stress)
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.add_energy_shift(folder, {"Po": 1.0})


def test_it_keeps_the_contract(naive, tmp_path):
    frame = frames(1, 4)[0].repeat((2, 1, 1))
    check_family(FAMILY, shutil.copytree(naive, tmp_path / "model"), frame)


def test_frames_of_every_kind(adopted):
    crystal = OLD[0]
    far = crystal.copy()
    far.positions += 1000.0 * crystal.cell.array.sum(axis=0)
    slab = crystal.copy()
    slab.pbc = (True, True, False)
    free = crystal.copy()
    free.pbc = False
    free.cell = None
    atom = Atoms("Cu")
    alone = FAMILY.predict(adopted, [crystal])[0]
    found = FAMILY.predict(adopted, [crystal, far, slab, free, atom])
    np.testing.assert_allclose(found[0].forces, alone.forces, atol=1e-5)
    np.testing.assert_allclose(found[1].forces, alone.forces, atol=1e-4)
    assert found[1].energy == pytest.approx(alone.energy, abs=1e-4)
    assert [labels.stress is None for labels in found] == [False, False, True, True, True]
    assert np.array_equal(found[4].forces, np.zeros((1, 3)))
    assert len({round(labels.energy, 3) for labels in found[1:]}) == 4
    with pytest.raises(ModelError, match="does not know Po"):
        FAMILY.predict(adopted, [Atoms("Po")])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, ()),
        (
            {"trained_parts": ["products", "readouts"], "steps": 400, "learning_rate": 1e-2},
            ("node_embedding", "interactions"),
        ),
        ({"lora_rank": 4, "lora_alpha": 4.0, "learning_rate": 1e-2}, ()),
        (
            {"lora_rank": 4, "lora_alpha": 4.0, "learning_rate": 1e-2, "trained_parts": ["interactions"]},
            ("node_embedding", "products", "readouts"),
        ),
    ],
    ids=["naive", "frozen", "lora", "lora of one part"],
)
def test_fine_tuning_halves_both_errors(options, kept, adopted, naive, tmp_path):
    before = errors(adopted, UNSEEN, shifted=True)
    tuned = naive if not options else tmp_path / "tuned"
    if options:
        fine_tune_model(adopted, TRAIN, VALID, tuning(**options), 0, tuned)
    after = errors(tuned, UNSEEN)
    assert after[0] < before[0] / 2
    assert after[1] < before[1] / 2
    old, new = read_checkpoint(adopted), read_checkpoint(tuned)
    assert new.config == old.config
    assert list(new.weights) == list(old.weights)
    same = {name for name, value in new.weights.items() if torch.equal(value, old.weights[name])}
    changed = {name for name, _ in MACEPotential(old).module.named_parameters() if old.weights[name].numel()} - same
    assert all(not name.startswith(kept) for name in changed) if kept else len(changed) > 20
    assert changed


def test_the_same_seed_gives_the_same_weights(adopted, tmp_path):
    options = tuning(steps=6, lora_rank=2)
    reports = [fine_tune_model(adopted, TRAIN, VALID, options, 7, tmp_path / name) for name in ("a", "b")]
    assert reports[0] == reports[1]
    files = [(tmp_path / name / CHECKPOINT).read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]
    fine_tune_model(adopted, TRAIN, VALID, options, 8, tmp_path / "c")
    assert (tmp_path / "c" / CHECKPOINT).read_bytes() != files[0]


def test_low_rank_updates_are_safe_among_threads(adopted, tmp_path):
    files = []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            fine_tune_model(adopted, TRAIN, [], tuning(steps=4, batch_size=4, lora_rank=2), 0, tmp_path / str(threads))
        finally:
            torch.set_num_threads(before)
        files.append((tmp_path / str(threads) / CHECKPOINT).read_bytes())
    assert files[0] == files[1]


def test_replay_keeps_what_the_model_knew(adopted, naive, replay_file, tmp_path):
    tuned = tmp_path / "tuned"
    fine_tune_model(adopted, TRAIN, VALID, tuning(replay_file=replay_file), 0, tuned)
    before, after = errors(adopted, UNSEEN, shifted=True), errors(tuned, UNSEEN)
    assert after[0] < before[0] / 2
    assert after[1] < before[1] / 2
    card = read_model(tuned).card
    assert (card.heads, card.head) == (("Default", "pfd"), "pfd")
    kept = read_checkpoint(tuned)
    assert torch.equal(kept.energies_eV[0], read_checkpoint(adopted).energies_eV[0])
    old_head = tmp_path / "old head"
    old_head.mkdir()
    write_checkpoint(kept.using("Default", ""), old_head)
    forgotten, remembered = errors(naive, OLD, shifted=True), errors(old_head, OLD)
    assert remembered[0] < forgotten[0] / 2
    assert remembered[1] < forgotten[1] / 2
    # Trained on, it has the same two heads, and adopted again it is itself.
    more = tmp_path / "more"
    fine_tune_model(tuned, TRAIN, VALID, tuning(steps=2, replay_file=replay_file), 0, more)
    assert read_model(more).card.heads == ("Default", "pfd")
    again = tmp_path / "again"
    again.mkdir()
    FAMILY.adopt(str(tuned / CHECKPOINT), None, again)
    assert (again / CHECKPOINT).read_bytes() == (tuned / CHECKPOINT).read_bytes()


def test_replayed_labels_of_a_file_are_brought_to_the_model_s_zero(adopted, tmp_path):
    files = []
    for name, constant in (("a", 0.0), ("b", 500.0)):
        shifted = ToyCalculator(ELEMENTS, morse(), np.array([0.5, 0.6, 0.7]), {"Al": constant, "Cu": -constant})
        write_frames(tmp_path / f"{name}.extxyz", frames(12, 13, shifted))
        options = tuning(steps=8, replay_file=str(tmp_path / f"{name}.extxyz"), replay_labels="file", replay_frames=8)
        fine_tune_model(adopted, TRAIN, [], options, 0, tmp_path / name)
        files.append(read_checkpoint(tmp_path / name).weights)
    for name, value in files[0].items():
        np.testing.assert_allclose(value, files[1][name], atol=1e-4, err_msg=name)


def test_replay_files_that_cannot_be_used_are_refused(adopted, replay_file, tmp_path):
    write_frames(tmp_path / "gold.extxyz", [Atoms("Au", cell=[4, 4, 4], pbc=True)])
    (tmp_path / "empty.extxyz").write_text("")
    for name, what, options in (
        ("none.extxyz", "no such file", {}),
        ("empty.extxyz", "holds no frame", {}),
        (replay_file, "carry no energy", {"replay_labels": "file"}),
    ):
        settings = tuning(replay_file=str(tmp_path / name), **options)
        with pytest.raises(DataError, match=what):
            fine_tune_model(adopted, TRAIN, [], settings, 0, tmp_path / f"out {what}")
    settings = tuning(replay_file=str(tmp_path / "gold.extxyz"))
    with pytest.raises(ModelError, match="does not know Au"):
        fine_tune_model(adopted, TRAIN, [], settings, 0, tmp_path / "gold")


def test_a_foundation_of_one_element_is_as_good(tmp_path):
    only = ("Cu",)
    (tmp_path / "foundation").mkdir()
    source = pre_trained(tmp_path / "foundation", frames(12, 0, SOFT, only))
    adopted, tuned = tmp_path / "adopted", tmp_path / "tuned"
    adopted.mkdir()
    adopt_model(FAMILY, str(source), None, adopted, trust_file=True)
    write_frames(tmp_path / "old.extxyz", frames(8, 1, SOFT, only))
    settings = tuning(steps=120, replay_file=str(tmp_path / "old.extxyz"))
    unseen = frames(12, 12, TRUE, only)
    fine_tune_model(adopted, frames(12, 10, TRUE, only), [], settings, 0, tuned)
    before, after = errors(adopted, unseen, shifted=True), errors(tuned, unseen)
    assert after[0] < before[0] / 2
    assert after[1] < before[1] / 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"trained_parts": []}, "names nothing"),
        ({"trained_parts": ["head"]}, "embedding"),
        ({"lora_alpha": 2.0}, "no effect without lora_rank"),
        ({"replay_weight": 2.0}, "no effect without replay_file"),
        ({"replay_labels": "file"}, "no effect without replay_file"),
        ({"settings_file": {"train_file": "x"}}, "train_file is set by PFD-kit"),
        ({"settings_file": {"lr": 0.1}, "learning_rate": 0.2}, "say the same"),
        ({"settings_file": {}, "lora_rank": 2}, "no effect on the training of settings_file"),
        ({"settings_file": {}, "steps": 2}, "no effect on the training of settings_file"),
        ({"settings_file": {"multiheads_finetuning": True}}, "nothing without pt_train_file"),
    ],
)
def test_settings_without_effect_are_refused(options, says):
    with pytest.raises(ValidationError, match=says):
        MACEFineTuneSettings.model_validate(options)


def test_the_package_s_own_training(adopted, tmp_path):
    native = {"lr": 0.01, "max_num_epochs": 12, "loss": "huber", "scheduler_patience": 3}
    told = []
    settings = MACEFineTuneSettings(settings_file=native, batch_size=2)
    report = fine_tune_model(adopted, TRAIN, VALID, settings, 0, tmp_path / "tuned", lambda *said: told.append(said))
    before, after = errors(adopted, UNSEEN, shifted=True), errors(tmp_path / "tuned", UNSEEN)
    assert after[0] < before[0] / 2
    assert after[1] < before[1] / 2
    assert [record.step for record in report.curve] == [10 * epoch for epoch in range(1, 13)]
    assert report.best_step in {record.step for record in report.curve}
    assert report.curve[-1].valid_force_rmse_eV_per_A < report.curve[0].valid_force_rmse_eV_per_A / 2
    assert report.curve[-1].valid_energy_rmse_eV_per_atom < 0.1
    assert told
    assert read_model(tmp_path / "tuned").card.heads == ("Default",)


def test_the_package_s_own_replay_leaves_two_heads(adopted, tmp_path):
    from ase.io import write

    old = []
    for frame in frames(8, 13, SOFT):
        labels, copy = labels_of(frame), without_labels(frame)
        copy.info |= {"REF_energy": labels.energy}
        copy.arrays["REF_forces"] = labels.forces
        old.append(copy)
    write(tmp_path / "old.xyz", old, format="extxyz")
    native = {"pt_train_file": str(tmp_path / "old.xyz"), "max_num_epochs": 2, "force_mh_ft_lr": True}
    settings = MACEFineTuneSettings(settings_file=native, batch_size=2)
    fine_tune_model(adopted, TRAIN, VALID, settings, 0, tmp_path / "tuned")
    card, kept = read_model(tmp_path / "tuned").card, read_checkpoint(tmp_path / "tuned")
    assert (set(card.heads), card.head, kept.kept_head) == ({"Default", "pfd"}, "pfd", "Default")
    write_checkpoint(kept.using("Default", ""), tmp_path)
    assert errors(tmp_path, OLD)[1] < 0.1
    assert errors(tmp_path / "tuned", UNSEEN)[1] < 0.1


@pytest.mark.parametrize(
    ("native", "valid", "error", "says"),
    [
        ({"batch_size": 50}, VALID, DataError, "batch_size 50 is more than the 20"),
        ({}, [], DataError, "needs validation frames"),
        ({"learning": 1}, VALID, TaskFailed, "learning"),
    ],
)
def test_native_files_that_cannot_run_are_refused(native, valid, error, says, adopted, tmp_path):
    with pytest.raises(error, match=says):
        fine_tune_model(adopted, TRAIN, valid, MACEFineTuneSettings(settings_file=native), 0, tmp_path / "tuned")


def test_a_student_is_fitted_and_repeats_itself(tmp_path):
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
        card, report = FAMILY.fit(place, TRAIN, VALID, MACEFitSettings(cutoff_A=4.0, epochs=8, validations=4), 3)
    assert (card.elements, card.name, card.cutoff_A) == (ELEMENTS, "MACE S", 4.0)
    assert "the user's own" in card.licence
    assert len(report.curve) == 4
    rms = np.sqrt(np.mean([labels_of(frame).forces ** 2 for frame in UNSEEN]))
    force_rmse, energy_rmse = errors(places[0], UNSEEN)
    assert force_rmse < 0.3 * rms
    assert energy_rmse < 0.1
    assert (places[0] / CHECKPOINT).read_bytes() == (places[1] / CHECKPOINT).read_bytes()


def test_a_model_that_is_saved_wrongly_is_caught(folder, monkeypatch):
    def wrong(self, potential, where):
        weights = potential.state()
        weights["scale_shift.scale"] = 1.01 * weights["scale_shift.scale"]
        write_checkpoint(type(potential.checkpoint)(**{**vars(potential.checkpoint), "weights": weights}), where)

    monkeypatch.setattr(MACE, "save", wrong)
    with pytest.raises(TaskFailed, match="saved model is off the trained one"):
        FAMILY.fine_tune(folder, OLD, [], tuning(steps=1), 0)


def test_untrained_models_are_pickles_of_the_package(tmp_path):
    source = FAMILY.untrained(tmp_path, ["Cu", "Al", "O"], 5)
    card = FAMILY.adopt(str(source), None, tmp_path, trust_file=True)
    assert card.elements == ("O", "Al", "Cu")
    with quiet():
        module = torch.load(source, weights_only=False)
    assert type(module).__name__ == "ScaleShiftMACE"
    assert ENERGIES in module.state_dict()


def test_importing_the_package_leaves_torch_careful(adopted):
    import os

    FAMILY.load(adopted)
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ


def test_loading_says_nothing(adopted, capfd):
    frame = OLD[0].copy()
    frame.calc = FAMILY.calculator(adopted)
    frame.get_stress()
    assert capfd.readouterr() == ("", "")
