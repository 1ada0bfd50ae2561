"""An export runs in LAMMPS as it stands, and one that is wrong is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.models.test_pod import SMALL, frames

from pfd.errors import DataError, ModelError, TaskFailed
from pfd.lammps.session import open_lammps
from pfd.models import export
from pfd.models.export import export_lammps
from pfd.models.family import Model, write_model
from pfd.models.pod import POD
from pfd.models.pod_fit import PODFitSettings
from pfd.models.training import adopt_model, make_family

pytestmark = pytest.mark.lammps


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    card, _ = POD().fit(folder, frames(30, 0), [], PODFitSettings(basis=SMALL, cutoff_A=4.5), seed=0)
    write_model(folder, Model(card=card))
    return folder


def test_the_input_runs_in_lammps(student, tmp_path, monkeypatch):
    target = tmp_path / "for lammps"
    known = frames(2, 7)
    export_lammps(student, known, target)
    names = {"in.lammps", "structure.data", "README.md", "param.pod", "coefficients.pod", "pod.json"}
    assert {path.name for path in target.iterdir()} == names
    monkeypatch.chdir(target)
    text = (target / "in.lammps").read_text(encoding="utf-8").replace("run 1000", "run 0")
    assert str(tmp_path) not in text
    text = text.replace("fix bath", "# fix bath")  # its kicks are forces too
    (target / "short.lammps").write_text(text, encoding="utf-8")
    lammps = open_lammps()
    try:
        lammps.file("short.lammps")
        energy = lammps.get_thermo("pe")
        forces = np.array(lammps.gather_atoms("f", 1, 3)).reshape(-1, 3)
    finally:
        lammps.close()
    expected = POD().predict(student, known[:1])[0]
    assert energy == pytest.approx(expected.energy, abs=1e-4)
    assert np.sort(np.linalg.norm(forces, axis=1)) == pytest.approx(
        np.sort(np.linalg.norm(expected.forces, axis=1)), abs=1e-4
    )
    assert "C, Si" in (target / "README.md").read_text(encoding="utf-8")
    export_lammps(student, known, target)  # an earlier export is replaced


def test_a_wrong_export_is_refused_with_both_numbers(student, tmp_path, monkeypatch):
    honest = POD.predict

    def shifted(self, folder, known, *_):
        return [dataclasses.replace(labels, energy=labels.energy + 1.0) for labels in honest(self, folder, known)]

    monkeypatch.setattr(POD, "predict", shifted)
    with pytest.raises(TaskFailed, match=r"off the model by 1\.2e-01 eV/atom"):
        export_lammps(student, frames(1, 7), tmp_path / "wrong")
    assert not (tmp_path / "wrong" / export.INPUT_FILE).exists()


def test_what_cannot_be_exported_is_refused(student, tmp_path):
    toy = tmp_path / "toy"
    toy.mkdir()
    adopt_model(make_family("toy"), "soft-copper", None, toy)
    with pytest.raises(ModelError, match="no pair style"):
        export_lammps(toy, frames(1, 7), tmp_path / "out")
    with pytest.raises(DataError, match="not empty"):
        export_lammps(student, frames(1, 7), toy)
    with pytest.raises(DataError, match="no frame"):
        export_lammps(student, [], tmp_path / "out")
