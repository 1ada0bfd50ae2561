"""Physical properties in a whole run: measured, compared, held against limits, and never in the way of the rest."""

from __future__ import annotations

import json

import pytest
from ase.build import bulk

import pfd
from pfd.errors import DataError, MissingError, ModelError, SettingError
from pfd.evaluate.properties.results import property_rows
from pfd.workflow.run_folder import task_folders

OWN = """import json, sys
from ase.build import bulk
import pfd
frame = bulk("Cu", "fcc", a=3.6)
frame.calc = pfd.load(sys.argv[1])
json.dump({"energy_eV": frame.get_potential_energy()}, open("numbers.json", "w"))
"""
EOS = {"kind": "equation_of_state", "structure": "Cu4.cif", "relax": "none", "range": 0.15, "volumes": 5}


@pytest.fixture
def measured(small, tmp_path):
    """The toy input with the crystal of the properties, and a script, beside it; fine-tuning only."""
    bulk("Cu", "fcc", a=3.7, cubic=True).write(tmp_path / "Cu4.cif")
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    del small["distill"]
    return small


def folders_of(run, step):
    return [folder for folder in task_folders(run.path) if folder.task()["step"] == step]


@pytest.mark.usefixtures("in_process")
def test_each_model_is_compared_with_labels_of_the_same_cells(write_input, measured, tmp_path):
    measured["finetune"]["label"]["max_total"] = 8
    within = {"a_A": 0.02, "bulk_modulus_GPa": 0.1}
    broken = EOS | {"name": "broken", "range": 0.001}
    measured["evaluate"] |= {
        "properties": [EOS | {"reference": "label", "within": within}, broken],
        "command": "{python} own.py {model}",
    }
    run = pfd.submit(write_input(measured), tmp_path / "run")
    assert run.status == "converged"
    volume, failed, own = run.summary["properties"]
    assert volume["source"] == "labels of the same cells"
    reference = volume["reference"]["values"]["bulk_modulus_GPa"]
    assert volume["models"]["finetuned"]["values"]["bulk_modulus_GPa"] == pytest.approx(reference, rel=0.1)
    assert all(held["passed"] for held in volume["models"]["finetuned"]["held"])
    assert not all(held["passed"] for held in volume["models"]["pretrained"]["held"])
    assert "no curve with a minimum" in failed["models"]["finetuned"]["failed"]
    assert own["models"]["finetuned"]["values"]["energy_eV"] < own["models"]["pretrained"]["values"]["energy_eV"]
    in_report = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))["properties"]
    assert in_report == run.summary["properties"]
    assert property_rows(in_report)[0].unit
    labels = folders_of(run, "label")
    assert run.summary["labels"]["asked"] <= 8
    assert len(labels) == run.summary["labels"]["asked"] + 5  # the reference comes on top

    # Nothing is measured anew for a reference that changes, and only the command for a script that does.
    attempts = {str(folder.path): len(folder.attempts()) for folder in folders_of(run, "property")}
    measured["evaluate"]["properties"][0] |= {"within": 0.1, "reference": {"bulk_modulus_GPa": 1.0, "source": "nobody"}}
    (tmp_path / "own.py").write_text(OWN.replace("3.6", "3.7"), encoding="utf-8")
    again = pfd.submit(write_input(measured), tmp_path / "run")
    new = [folder for folder in folders_of(again, "property") if str(folder.path) not in attempts]
    assert len(new) == 2
    assert all("own.py" in str(folder.task()["inputs"]) for folder in new)
    assert not again.summary["properties"][0]["models"]["finetuned"]["held"][0]["passed"]


@pytest.mark.usefixtures("in_process")
def test_a_script_of_an_absolute_path_is_measured_with_anew_when_it_is_edited(write_input, measured, tmp_path):
    own = tmp_path / "elsewhere" / "own.py"
    own.parent.mkdir()
    write = "import json; json.dump({{'number': {}}}, open('numbers.json', 'w'))"
    measured["evaluate"]["command"] = {"command": f"{{python}} {own} {{model}}", "models": ["finetuned"]}
    for number in (1.0, 2.0):
        own.write_text(write.format(number), encoding="utf-8")
        run = pfd.submit(write_input(measured), tmp_path / "run")
        assert run.summary["properties"][0]["models"]["finetuned"]["values"] == {"number": number}


@pytest.mark.usefixtures("in_process")
def test_properties_that_enter_converge_keep_a_loop_from_converging(write_input, measured, tmp_path):
    measured["finetune"]["label"]["max_total"] = 8
    measured["finetune"]["converge"]["properties"] = True
    measured["evaluate"]["properties"] = [EOS | {"reference": "label", "limits": {"bulk_modulus_GPa": [1.0, 2.0]}}]
    run = pfd.submit(write_input(measured), tmp_path / "run")
    assert run.status == "not_converged"
    *_, turn = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))["iterations"]
    assert run.summary["labels"]["asked"] == 8  # the five of the reference, made meanwhile, take none away
    assert "beyond their limits: equation_of_state Cu4 bulk_modulus_GPa" in turn["reason"]
    assert turn["properties"][0]["value"] > 10.0
    measured["evaluate"]["properties"][0]["limits"] = {"bulk_modulus_GPa": [10.0, 500.0]}
    before = len(folders_of(run, "property"))
    wider = pfd.submit(write_input(measured), tmp_path / "run")
    *_, turn = json.loads((run.path / "report-data.json").read_text(encoding="utf-8"))["iterations"]
    assert "beyond" not in turn["reason"]
    assert turn["properties"][0]["passed"]
    assert len(folders_of(wider, "property")) == before


@pytest.mark.usefixtures("in_process")
def test_a_failing_command_tells_its_words_and_loses_nothing(write_input, measured, tmp_path):
    (tmp_path / "own.py").write_text("import sys; print('the box is empty'); sys.exit(1)", encoding="utf-8")
    measured["evaluate"]["command"] = {"command": "{python} own.py {model}", "models": ["finetuned"]}
    run = pfd.submit(write_input(measured), tmp_path / "run")
    assert run.status == "converged"
    assert "the box is empty" in run.summary["properties"][0]["models"]["finetuned"]["failed"]


@pytest.mark.usefixtures("in_process")
def test_a_task_that_is_lost_again_and_again_says_why(write_input, measured, tmp_path):
    (tmp_path / "own.py").write_text("import os; os.kill(os.getpid(), 9)", encoding="utf-8")
    measured["evaluate"]["command"] = {"command": "{python} own.py {model}", "models": ["finetuned"]}
    run = pfd.submit(write_input(measured), tmp_path / "run")
    assert run.status == "converged"
    failed = run.summary["properties"][0]["models"]["finetuned"]["failed"]
    assert "did not finish" in failed
    assert "a signal ended the command" in failed


@pytest.mark.parametrize(
    ("evaluate", "converge", "error", "words"),
    [
        ({"properties": [EOS | {"structure": "Ag.cif"}]}, {}, SettingError, r"no such file: Ag\.cif"),
        ({"properties": [EOS | {"kind": "elastics"}]}, {}, SettingError, "'elastics' is none of them"),
        ({"properties": [EOS | {"volums": 7}]}, {}, SettingError, r"properties\.0\.volums: unknown key; did you mean"),
        ({"properties": [EOS | {"models": ["student"]}]}, {}, SettingError, "makes no student model"),
        ({"properties": [EOS, EOS]}, {}, SettingError, "give one of them a name"),
        ({"properties": [EOS]}, {"properties": True}, SettingError, "no property of the finetuned model has limits"),
        ({"command": "{python} mine.py {model}"}, {}, SettingError, r"no such file: mine\.py"),
        ({"command": "nosuchprogram {model}"}, {}, MissingError, "nosuchprogram"),
        ({"properties": [EOS | {"structure": "Ne.xyz"}]}, {}, DataError, "periodic"),
        ({"properties": [EOS | {"structure": "U.cif"}]}, {}, ModelError, "does not know U"),
    ],
)
def test_what_would_fail_at_the_end_is_refused_at_the_start(
    write_input, measured, tmp_path, evaluate, converge, error, words
):
    bulk("U", "fcc", a=4.0).write(tmp_path / "U.cif")
    bulk("Ne", "fcc", a=4.0).repeat(2).write(tmp_path / "Ne.xyz", format="xyz")
    measured["evaluate"] |= evaluate
    measured["finetune"]["converge"] |= converge
    with pytest.raises(error, match=words) as failure:
        pfd.submit(write_input(measured), tmp_path / "run")
    assert "evaluate" in str(failure.value) or "converge" in str(failure.value)
    assert not (tmp_path / "run").exists() or not list(task_folders(tmp_path / "run"))


def test_labels_that_are_stored_are_no_reference(write_input, measured, tmp_path):
    measured["finetune"]["label"] = {"method": "external", "level": "mine"}
    measured["evaluate"]["properties"] = [EOS | {"reference": "label"}]
    with pytest.raises(SettingError, match="makes no labels of its own"):
        pfd.submit(write_input(measured), tmp_path / "run")
