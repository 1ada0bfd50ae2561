"""Files that a training's settings name: known to the run by their content, kept with it, missed before it starts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import EXAMPLE, SMALL

import pfd
from pfd.errors import SettingError
from pfd.testing.toy_family import ToyFamily, ToyFineTuneSettings

READ = []
"""What the training was given, run by run."""


class WithFiles(ToyFineTuneSettings):
    extra_file: str | None = None
    settings_file: dict[str, object] | None = None


@pytest.fixture
def submit(tmp_path, monkeypatch, in_process):
    """Run the small input with these settings of the training; tell what the training was given."""

    def fine_tune(self, folder, train, valid, settings, *rest):
        READ.append((Path(settings.extra_file).read_text() if settings.extra_file else None, settings.settings_file))
        own = ToyFineTuneSettings(**settings.model_dump(exclude={"extra_file", "settings_file"}))
        return original(self, folder, train, valid, own, *rest)

    original = ToyFamily.fine_tune
    monkeypatch.setattr(ToyFamily, "FineTuneSettings", WithFiles)
    monkeypatch.setattr(ToyFamily, "fine_tune", fine_tune)
    READ.clear()

    def run(place, **train):
        content = json.loads(json.dumps(SMALL))
        content["finetune"]["train"] = content["finetune"].get("train", {}) | train
        content.pop("distill", None)
        place.mkdir(exist_ok=True)
        shutil.copyfile(EXAMPLE / "Cu.cif", place / "Cu.cif")
        (place / "input.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return pfd.submit(place / "input.yaml", place / "run")

    return run


def test_a_file_is_an_input_of_the_task_and_known_by_its_content(submit, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text("the same words")
    first = submit(tmp_path / "one", extra_file="one.txt")
    second = submit(tmp_path / "two", extra_file="two.txt")
    assert {read for read, _ in READ} == {"the same words"}
    trained = [sorted(path.name for path in run.path.glob("finetune/*/train/*")) for run in (first, second)]
    assert trained[0] == trained[1] != []
    (tmp_path / "one" / "one.txt").unlink()
    shutil.rmtree(next(first.path.glob("finetune/*/train/*")))
    moved = tmp_path / "elsewhere"
    first.path.rename(moved)
    pfd.submit(moved / "input.yaml", moved)  # from the copy that the run keeps


def test_settings_of_another_package_are_read_where_the_input_stands_and_kept(submit, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "native.json").write_text('{"optimizer": {"type": "Adam"}}')
    run = submit(tmp_path / "one", settings_file="native.json")
    assert {json.dumps(read) for _, read in READ} == {'{"optimizer": {"type": "Adam"}}'}
    resolved = yaml.safe_load((run.path / "resolved-001.yaml").read_text())
    assert resolved["finetune"]["train"]["settings_file"] == {"optimizer": {"type": "Adam"}}
    (tmp_path / "one" / "native.json").unlink()
    reused = len(READ)
    pfd.submit(run.path / "input.yaml", run.path)
    assert len(READ) == reused


@pytest.mark.parametrize("key", ["extra_file", "settings_file"])
def test_a_file_that_is_not_there_stops_the_run_before_it_is_made(submit, tmp_path, key):
    with pytest.raises(SettingError, match="no such file") as raised:
        submit(tmp_path / "one", **{key: "nothing.json"})
    assert raised.value.where.endswith(f"finetune.train.{key}")
    assert not (tmp_path / "one" / "run").exists()
