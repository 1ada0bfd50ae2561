"""Older inputs and keys of the command line, from the command to the run folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.config.older.examples import FINETUNE, MATTERSIM, edited, write_files
from typer.testing import CliRunner

from pfd.api import submit
from pfd.cli.main import app
from pfd.cli.submit import submit_and_show
from pfd.cli.words import paths_and_overrides
from pfd.config.older import convert, models
from pfd.config.reading import read_input
from pfd.errors import PFDError, SettingError

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy"
TOY = FINETUNE | {
    "name": "old",
    "task": {"type": "finetune", "max_iter": 1},
    "inputs": {"base_model_path": "soft-copper", "init_confs": {"confs_paths": ["Cu.cif"]}},
    "select_confs": {"max_sel": 3, "h_filter": {}},
    "evaluate": {"model": "dp", "converge": {"type": "force_rmse", "RMSE": 0.5}},
    "exploration": {
        "type": "ase",
        "config": {"calculator": "dp"},
        "stages": [[{"conf_idx": [0], "n_sample": 1, "ens": "nvt", "temps": [300], "nsteps": 20, "trj_freq": 5}]],
    },
    "fp": {"type": "ase", "run_config": {"model_style": "emt"}},
    "train": {"type": "dp", "config": {}},
}
"""An older input whose "dp" is the toy family here: it runs in seconds."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_files(tmp_path)
    shutil.copy(EXAMPLE / "Cu.cif", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.FAMILIES, "dp", "toy")
    monkeypatch.setattr(convert, "translate_train", lambda train, family, distils: {})
    (tmp_path / "old.json").write_text(json.dumps(TOY | {"upload_python_packages": ["x"]}, indent="\t"))
    return tmp_path


def invoke(*words):
    """A command in this process; raises what it raises."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, PFDError):
        raise done.exception
    return done


def test_an_older_input_runs_and_its_run_can_be_gone_on_with(here, capfd):
    assert submit_and_show(Path("old.json"), None, "select") == 0
    told = capfd.readouterr().err
    assert "old.json (converted): an input of PFD-kit 0.10" in told
    assert "Without effect: upload_python_packages: " in told
    kept = (here / "old" / "input.yaml").read_text(encoding="utf-8")
    assert kept.startswith("# Written by pfd from old.json, an input of PFD-kit 0.10.")
    assert read_input(here / "old" / "input.yaml").input.finetune.explore[0][0].coupling == 200.0
    assert "changed since it was last submitted: nothing" in invoke("check", here / "old" / "input.yaml").output
    assert "changed since it was last submitted: nothing" in invoke("check", "old.json").output


def test_the_check_takes_an_older_input(here):
    done = invoke("check", "old.json")
    assert "an input of PFD-kit 0.10" in done.output
    assert "no mistake found" in done.output
    assert "explore.0.0: md, 1 run an iteration" in done.output


def test_a_mistake_in_what_it_became_names_the_file(here):
    (here / "old.json").write_text(json.dumps(edited(TOY, "inputs.init_confs.confs_paths", ["nowhere.cif"])))
    with pytest.raises(PFDError) as told:
        invoke("check", "old.json")
    assert "old.json (converted): structures.0.file: no such file" in str(told.value)


def test_convert_prints_or_writes(here):
    printed = invoke("convert", "old.json")
    assert yaml.safe_load(printed.stdout)["name"] == "old"
    written = invoke("convert", "old.json", "--out", "new.yaml")
    assert "new.yaml is written" in written.stderr
    assert "Without effect: upload_python_packages" in written.stderr
    assert (here / "new.yaml").read_text(encoding="utf-8") == printed.stdout
    (here / "other.json").write_text(json.dumps(MATTERSIM))
    (here / "below").mkdir()
    invoke("convert", "other.json", "--out", "below/new.yaml")
    assert read_input(here / "below" / "new.yaml").labeler.potcar_dir.resolve() == here.resolve()


def test_keys_of_the_command_line_stand_in_the_run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["finetune.select.max_frames=6", "finetune.explore.0.0.temperatures_K=[300]", "structures.0.perturb={}"]
    ended = submit(EXAMPLE / "input.yaml", until="select", overrides=words)
    assert ended.status == "paused"
    resolved = yaml.safe_load((tmp_path / "toy" / "resolved-001.yaml").read_text(encoding="utf-8"))
    assert resolved["finetune"]["select"]["max_frames"] == 6
    kept = (tmp_path / "toy" / "input.yaml").read_text(encoding="utf-8")
    assert "max_frames: 6  # command line" in kept
    assert "changed since it was last submitted: nothing" in invoke("check", tmp_path / "toy" / "input.yaml").output
    assert "changed since it was last submitted: nothing" in invoke("check", EXAMPLE / "input.yaml", *words).output
    without = invoke("check", EXAMPLE / "input.yaml").output
    assert "changed since it was last submitted: structures.0.perturb.count, " in without
    assert "finetune.select.max_frames" in without


def test_words_are_a_run_folder_and_keys():
    words = [Path(word) for word in ("in.yaml", "seed=1", "there", "name=a")]
    assert paths_and_overrides(words) == ([Path("in.yaml"), Path("there")], ["seed=1", "name=a"])
    with pytest.raises(SettingError, match="no input"):
        paths_and_overrides([Path("seed=1")])


def test_the_check_takes_keys_and_nothing_else():
    done = invoke("check", EXAMPLE / "input.yaml", "finetune.select.max_frames=5")
    assert "at most 5 an iteration" in done.output
    with pytest.raises(SettingError, match="'there' sets no key"):
        invoke("check", EXAMPLE / "input.yaml", "there")
