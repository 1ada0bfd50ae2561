"""``pfd properties``: a model's properties on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk
from typer.testing import CliRunner

from pfd.cli.main import app
from pfd.errors import DataError, ModelError, SettingError
from pfd.evaluate.properties.elastic import Elastic
from pfd.evaluate.properties.equation_of_state import EquationOfState
from pfd.evaluate.properties.vacancy import Vacancy


@pytest.fixture
def copper(tmp_path):
    path = tmp_path / "Cu.cif"
    bulk("Cu", "fcc", a=3.7, cubic=True).write(path)
    return str(path)


def run(*words):
    return CliRunner().invoke(app, ["properties", "toy:soft-copper", *words], catch_exceptions=False)


def test_numbers_as_a_table_and_as_json(copper):
    keys = ["--kind", "elastic", "--structure", copper, "strain=0.01", "reference={C11_GPa: 50, source: me}"]
    table = run(*keys, "within=0.5")
    assert table.exit_code == 0
    assert "C11 clamped" in table.output
    assert "met" in table.output
    content = json.loads(run(*keys, "--json").output)
    assert content["elastic"]["values"]["C11_GPa"] == pytest.approx(
        content["elastic"]["values"]["C11_clamped_GPa"], rel=1e-3
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "elastics"], "one of equation_of_state, elastic"),
        (["--kind", "elastic", "strian=0.1"], "unknown key; did you mean 'strain'"),
        (["--kind", "elastic", "strain"], "sets no key"),
        (["--kind", "elastic", "models=[student]"], "without effect"),
        (["--kind", "equation_of_state", "relax=none", "reference=label"], "without effect"),
        (["--kind", "nve_drift"], "needs a temperature"),
    ],
)
def test_mistakes_are_told(copper, words, message):
    with pytest.raises(SettingError) as failure:
        run("--structure", copper, *words)
    assert message in str(failure.value)


def test_what_cannot_be_measured_is_told_beside_the_rest(copper):
    path = copper.replace("Cu.cif", "wide.cif")
    bulk("Cu", "fcc", a=4.4, cubic=True).write(path)
    found = run("--structure", path, "--kind", "equation_of_state", "--kind", "elastic")
    assert found.exit_code == 1
    assert "not measured: Cu4: no curve with a minimum fits energies" in found.output
    assert "C11" in found.output


def test_a_kind_that_the_model_cannot_answer_loses_no_other(copper, monkeypatch):
    def silent(self, job):
        raise ModelError("the model gives no stress")

    def lost(self, job):
        raise np.linalg.LinAlgError("the optimiser is lost")

    monkeypatch.setattr(EquationOfState, "measure", silent)
    monkeypatch.setattr(Vacancy, "measure", lost)
    kinds = ["elastic", "equation_of_state", "vacancy"]
    found = run("--structure", copper, *(word for kind in kinds for word in ("--kind", kind)))
    assert found.exit_code == 1
    assert "C11 clamped" in found.output
    assert "not measured: the model gives no stress" in found.output
    assert "not measured: LinAlgError: the optimiser is lost" in found.output
    assert "Traceback" not in found.output


def test_what_a_kind_has_no_meaning_for_is_refused_before_anything_is_measured(copper, monkeypatch):
    def unfit(self, structures):
        raise DataError("not fit")

    monkeypatch.setattr(Elastic, "measure", lambda self, job: pytest.fail("was measured"))
    monkeypatch.setattr(Vacancy, "require", unfit)
    with pytest.raises(DataError, match="not fit"):
        run("--structure", copper, "--kind", "elastic", "--kind", "vacancy")
