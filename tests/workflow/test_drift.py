"""How far fine-tuning has moved a model outside its domain: measured without labels, and never a reason to fail."""

from __future__ import annotations

import pytest
from tests.workflow.conftest import EngineInProcess

from pfd.errors import TaskFailed
from pfd.frames import write_frames
from pfd.frames.elemental import elemental_crystals
from pfd.tasks.folder import Artifact, Resources, TaskSpec
from pfd.workflow import drift
from pfd.workflow.run_folder import RunFolder, take_folder
from pfd.workflow.turn import Dataset


@pytest.fixture
def run(tmp_path):
    take_folder(tmp_path / "run", "toy")
    return RunFolder(tmp_path / "run", EngineInProcess(), 1, lambda place, progress: None)


@pytest.fixture
def model(run):
    spec = TaskSpec("adopt", {"family": "toy", "source": "soft-copper", "head": None})
    return run.one("start/teacher/adopt", spec).output("model")


@pytest.fixture
def data(tmp_path):
    write_frames(tmp_path / "train.extxyz", elemental_crystals(["Al"]))
    return Dataset(Artifact.of(tmp_path / "train.extxyz"))


def test_a_model_that_did_not_move_has_no_drift(run, model, data):
    found = drift.measure_drift(run, model, model, data, 12, Resources())
    assert found.note == ""
    assert found.report["frames"] == 2
    assert found.report["trajectories"] == 1
    assert found.report["by_element"].keys() == {"Cu"}
    assert found.report["force_rmse_meV_per_A"] == 0
    assert found.report["force_rms_label_meV_per_A"] > 0


def test_what_a_model_was_trained_on_is_no_foreign_ground(run, model, tmp_path):
    write_frames(tmp_path / "copper.extxyz", elemental_crystals(["Cu"]))
    found = drift.measure_drift(run, model, model, Dataset(Artifact.of(tmp_path / "copper.extxyz")), 12, Resources())
    assert found.report is None
    assert "knows no elemental crystal" in found.note


def test_a_model_that_cannot_be_asked_ends_no_run(run, model, data, monkeypatch):
    monkeypatch.setattr(drift, "elements_apart", lambda *_: ["Au"])  # which the toy does not know
    found = drift.measure_drift(run, model, model, data, 12, Resources())
    assert found.report is None
    assert found.note.startswith("Not measured: ")
    assert run.journal.read()[-1]["event"] == "no_drift"


def test_lost_predictions_are_told(run, model, data, monkeypatch):
    class Losing(EngineInProcess):
        def run(self, folders, observe):
            return {str(folder.path): "killed" for folder in folders}

    monkeypatch.setattr(run, "_engine", Losing())
    found = drift.measure_drift(run, model, model, data, 12, Resources())
    assert "were lost" in found.note


def test_other_errors_are_not_swallowed(run, model, data, monkeypatch):
    monkeypatch.setattr(run, "one", lambda *_: pytest.fail("reached"))
    with pytest.raises(pytest.fail.Exception):
        drift.measure_drift(run, model, model, data, 12, Resources())
    assert not issubclass(pytest.fail.Exception, TaskFailed)
