"""The shared training loop, on a small pair potential that needs nothing but torch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from ase import Atoms
from pydantic import ValidationError

from pfd.errors import DataError, ModelError
from pfd.frames import Labels, labels_of, with_labels
from pfd.models.torch_loss import Batch, loss_of, prepare
from pfd.models.torch_potential import Prediction, batches_by_size, predict_frames, torch_calculator
from pfd.models.torch_training import FineTuneSettings, Replay, Score, learning_rate_factor, train_torch

torch = pytest.importorskip("torch")


class Springs:
    """Energy: sum over pairs of k (d - r)^2 / 2 with k and r to be learnt; stress by the virial of the pairs."""

    def __init__(self, stiffness: float, length: float) -> None:
        self.module = torch.nn.ParameterList([torch.tensor(stiffness), torch.tensor(length)])
        self.elements = ("Ar", "Ne")

    def graph(self, frame):
        return torch.tensor(frame.positions, dtype=torch.float32), float(frame.cell.volume or 1.0)

    def predict(self, graphs, *, differentiable):
        energies, forces, stresses = [], [], []
        for positions, volume in graphs:
            x = positions.clone().requires_grad_()
            strain = torch.zeros(3, 3, requires_grad=True)
            moved = x + x @ strain
            first, second = torch.triu_indices(len(x), len(x), 1)
            distance = (moved[first] - moved[second]).norm(dim=1)
            energy = (self.module[0] * (distance - self.module[1]) ** 2).sum() / 2
            slopes = torch.autograd.grad(energy, [x, strain], create_graph=differentiable)
            energies.append(energy.double())
            forces.append(-slopes[0])
            stresses.append(slopes[1] / volume)
        return Prediction(torch.stack(energies), torch.cat(forces), torch.stack(stresses))


def trimers(count: int, seed: int = 0, pbc: bool = False) -> list[Atoms]:
    random = np.random.default_rng(seed)
    corner = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    return [
        Atoms("ArNeAr", positions=corner + random.normal(0, 0.2, (3, 3)), cell=[4, 4, 4], pbc=pbc) for _ in range(count)
    ]


def labelled(frames: list[Atoms], *, stress: bool = True) -> list[Atoms]:
    labels = predict_frames(Springs(2.0, 1.5), frames, "truth")
    return [
        with_labels(frame, label if stress else Labels(label.energy, label.forces))
        for frame, label in zip(frames, labels, strict=True)
    ]


SETTINGS = FineTuneSettings(steps=600, learning_rate=0.05, batch_size=2, patience=20)


def train(settings: FineTuneSettings = SETTINGS, seed: int = 0, valid: int = 2):
    frames = labelled(trimers(8))
    potential = Springs(1.0, 1.0)
    report = train_torch(potential, frames[valid:], frames[:valid], settings, seed=seed)
    return [parameter.item() for parameter in potential.module], report


@pytest.mark.parametrize("loss", ["huber", "squared"])
def test_the_hidden_parameters_are_found(loss):
    found, report = train(SETTINGS.model_copy(update={"loss": loss}))
    assert found == pytest.approx([2.0, 1.5], abs=0.05)
    assert report.curve[-1].valid_force_rmse_eV_per_A < 0.1 * report.curve[0].valid_force_rmse_eV_per_A


@pytest.mark.parametrize("only", ["energy_weight", "force_weight", "stress_weight"])
def test_each_term_of_the_loss_teaches(only):
    weights = {"energy_weight": 0.0, "force_weight": 0.0, "stress_weight": 0.0} | {only: 1.0}
    frames = labelled(trimers(8, pbc=True))
    potential = Springs(1.0, 1.0)
    train_torch(potential, frames, [], SETTINGS.model_copy(update=weights | {"steps": 600}), seed=0)
    assert [parameter.item() for parameter in potential.module] == pytest.approx([2.0, 1.5], abs=0.05)


def test_stress_of_a_frame_with_vacuum_is_not_trained_on():
    frames = labelled(trimers(4, pbc=True))
    for frame in frames:
        frame.calc.results["stress"] = np.full(6, 1e3)
        frame.cell[2, 2] = 20.0
    potential = Springs(2.0, 1.5)
    train_torch(potential, frames, [], SETTINGS.model_copy(update={"steps": 5, "learning_rate": 1e-6}), seed=0)
    assert [parameter.item() for parameter in potential.module] == pytest.approx([2.0, 1.5], abs=1e-4)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    settings = SETTINGS.model_copy(update={"steps": 30})
    assert train(settings) == train(settings)
    assert train(settings)[0] != train(settings, seed=1)[0]


def test_the_best_validated_weights_are_kept_and_training_stops_early():
    frames = labelled(trimers(9))
    wrong = [with_labels(frame, Labels(0.0, -labels_of(frame).forces)) for frame in frames[5:]]
    potential = Springs(2.0, 1.5)
    settings = SETTINGS.model_copy(update={"steps": 100, "validations": 100, "patience": 3})
    report = train_torch(potential, wrong, frames[:5], settings, seed=0)
    assert report.stopped_early
    assert report.best_step == 1
    assert report.curve[-1].step == 4
    assert [parameter.item() for parameter in potential.module] == pytest.approx([2.0, 1.5], abs=0.02)


def test_without_validation_frames_the_last_weights_stay():
    _, report = train(valid=0)
    assert report.best_step == SETTINGS.steps
    assert report.curve[-1].valid_force_rmse_eV_per_A is None


def test_averaged_weights_lag_behind():
    settings = SETTINGS.model_copy(update={"steps": 20, "average": 0.9})
    plain, averaged = train(settings.model_copy(update={"average": 0.0}), valid=0)[0], train(settings, valid=0)[0]
    assert 1.0 < averaged[0] < plain[0]


@pytest.mark.parametrize(("weight", "stiffness"), [(0.01, 2.0), (1.0, 2.5), (100.0, 3.0)])
def test_replayed_frames_pull_by_their_weight(weight, stiffness):
    frames = trimers(8)
    old = [
        with_labels(frame, label)
        for frame, label in zip(frames, predict_frames(Springs(3.0, 1.5), frames, "old"), strict=True)
    ]
    potential = Springs(1.0, 1.0)
    settings = SETTINGS.model_copy(update={"loss": "squared", "batch_size": 8})
    replay = Replay(prepare(potential, old, settings, "old"), weight)
    report = train_torch(potential, labelled(frames), [], settings, seed=0, replay=replay)
    assert [parameter.item() for parameter in potential.module] == pytest.approx([stiffness, 1.5], abs=0.1)
    assert (report.curve[-1].train_force_rmse_eV_per_A > 0.1) == (weight >= 1.0)  # of the new labels alone


@pytest.mark.parametrize("lacking", ["energy", "forces"])
def test_frames_without_what_the_loss_needs_are_refused(lacking):
    frames = labelled(trimers(2))
    del frames[1].calc.results[lacking]
    with pytest.raises(DataError, match=f"1 of 2 frames carry no {lacking}"):
        train_torch(Springs(1.0, 1.0), frames, [], SETTINGS, seed=0)
    unused = {"energy": "energy_weight", "forces": "force_weight"}[lacking]
    settings = SETTINGS.model_copy(update={unused: 0.0, "steps": 2})
    assert train_torch(Springs(1.0, 1.0), frames, [], settings, seed=0).best_step == 2


def test_a_loss_that_explodes_is_an_error():
    with pytest.raises(DataError, match="the loss is"):
        train(SETTINGS.model_copy(update={"learning_rate": 1e30, "loss": "squared"}))


def test_a_training_needs_a_length():
    with pytest.raises(ValidationError, match="no length"):
        FineTuneSettings(epochs=None)


def test_every_frame_is_seen_once_per_epoch():
    report = train(SETTINGS.model_copy(update={"steps": None, "epochs": 5, "batch_size": 4}))[1]
    assert report.curve[-1].step == 5 * 2


def test_the_learning_rate_rises_once_and_then_falls():
    rates = [learning_rate_factor(step, 100, SETTINGS) for step in range(1, 101)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0)
    assert all(before < after for before, after in itertools.pairwise(rates[: top + 1]))
    assert all(before > after for before, after in itertools.pairwise(rates[top:]))
    assert rates[-1] == pytest.approx(SETTINGS.final_learning_rate)


def test_progress_ends_at_one():
    heard = []
    frames = labelled(trimers(2))
    train_torch(
        Springs(1.0, 1.0), frames, frames, SETTINGS, seed=0, progress=lambda done, text: heard.append((done, text))
    )
    assert heard[-1][0] == 1.0
    assert "meV/Å" in heard[-1][1]


def test_predictions_do_not_depend_on_the_batch():
    frames = trimers(5, pbc=True)
    single = [predict_frames(Springs(2.0, 1.5), [frame], "here")[0] for frame in frames]
    for one, together in zip(single, predict_frames(Springs(2.0, 1.5), frames, "here"), strict=True):
        assert together.energy == pytest.approx(one.energy)
        np.testing.assert_allclose(together.forces, one.forces, atol=1e-6)
        np.testing.assert_allclose(together.stress, one.stress, atol=1e-7)
    assert predict_frames(Springs(2.0, 1.5), trimers(1), "here")[0].stress is None


def test_unknown_elements_are_named():
    with pytest.raises(ModelError, match="does not know He, Xe"):
        predict_frames(Springs(1.0, 1.0), [Atoms("XeArHe", positions=np.eye(3))], "here")


def test_batches_hold_at_most_the_asked_atoms():
    sizes = [[len(frame) for frame in batch] for batch in batches_by_size(trimers(5), 7)]
    assert sizes == [[3, 3], [3, 3], [3]]
    assert [len(batch) for batch in batches_by_size(trimers(2), 1)] == [1, 1]


def test_the_calculator_speaks_ase():
    frame = trimers(1, pbc=True)[0]
    expected = predict_frames(Springs(2.0, 1.5), [frame], "here")[0]
    frame.calc = torch_calculator(Springs(2.0, 1.5), "here")
    np.testing.assert_array_equal(frame.get_stress(), expected.stress)
    np.testing.assert_array_equal(frame.get_forces(), expected.forces)
    assert frame.get_potential_energy() == expected.energy


def test_the_number_of_threads_changes_no_bit_of_a_batch(monkeypatch):
    settings = SETTINGS.model_copy(update={"steps": 30, "batch_size": 3})
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(train(settings))
    assert found[0] == found[1]


def test_a_batch_is_divided_without_changing_its_loss():
    frames = [*labelled(trimers(3, pbc=True)), *labelled(trimers(2, seed=5), stress=False)]
    settings = SETTINGS.model_copy(update={"stress_weight": 1.0})
    potential = Springs(1.0, 1.0)
    examples = prepare(potential, frames, settings, "here")
    batch = Batch.of(examples)

    def part(some):
        return loss_of(potential, some, batch, settings, differentiable=True)

    whole, pieces = part(examples), [part([example]) for example in examples]
    assert sum(piece.loss.item() for piece in pieces) == pytest.approx(whole.loss.item(), rel=1e-6)
    assert sum(piece.components for piece in pieces) == whole.components
    assert sum(piece.squared_force_error for piece in pieces) == pytest.approx(whole.squared_force_error)


@pytest.mark.parametrize(
    ("last", "best", "worse"),
    [
        ((2.0, 1.0, 2.0, 1.0, 2.0), (1.0, 1.9, 1.0, 1.9, 1.0), False),  # some frames up, some down: nothing is clear
        ((2.0, 2.0, 2.1, 2.0, 2.0), (1.0, 1.0, 1.0, 1.0, 1.0), True),
        ((2.0, 2.0, 2.1, 2.0), (1.0, 1.0, 1.0, 1.0), False),  # four say nothing
        ((1.6, 1.0, 1.0, 1.0, 1.3), (1.0, 1.0, 1.0, 1.0, 1.0), False),  # more than one standard error, less than two
        ((1.0,), (0.9,), False),
        ((math.nan,), (0.9,), True),
        ((1.0,) * 5, (1.0,) * 5, False),
    ],
)
def test_the_last_weights_give_way_only_to_clearly_better_ones(last, best, worse):
    assert Score(last, 0.0, 0.0).clearly_worse_than(Score(best, 0.0, 0.0)) is worse


def test_a_noisy_validation_does_not_throw_the_end_of_a_training_away():
    frames = labelled(trimers(6))
    scales = (0.7, 1.3, 1.0, 1.0, 1.0, 1.0)
    noisy = [
        with_labels(frame, Labels(labels_of(frame).energy, labels_of(frame).forces * scale))
        for frame, scale in zip(frames, scales, strict=True)
    ]
    potential = Springs(1.0, 1.0)
    settings = SETTINGS.model_copy(update={"validations": 40})
    report = train_torch(potential, noisy[2:], noisy[:2], settings, seed=0)
    assert report.best_step == SETTINGS.steps
