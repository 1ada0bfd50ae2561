"""``pfd check --json``: the mistakes of an input as a list, and what it asks for if there are none."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import write

from pfd.cli.check import check_as_json

pytestmark = pytest.mark.usefixtures("in_process")


def test_mistakes_are_a_list_with_a_place_each(small, tmp_path, capsys):
    small["teacher"]["heads"] = "none"
    small["finetune"]["max_iterations"] = 0
    path = write(tmp_path, small)
    assert check_as_json(path) == 2
    mistakes = json.loads(capsys.readouterr().out)["mistakes"]
    assert [each["where"] for each in mistakes] == [f"{path}: teacher.heads", f"{path}: finetune.max_iterations"]
    assert {each["exit_code"] for each in mistakes} == {2}
    assert all(each["what"] and each["hint"] for each in mistakes)


def test_files_that_are_missing_are_told_one_by_one(small, tmp_path, capsys):
    small["structures"] = [{"file": "one.cif"}, {"file": "two.cif"}]
    assert check_as_json(write(tmp_path, small)) == 2
    mistakes = json.loads(capsys.readouterr().out)["mistakes"]
    assert [each["where"].rpartition(": ")[2] for each in mistakes] == ["structures.0.file", "structures.1.file"]


def test_an_input_without_a_mistake_tells_what_it_asks_for(small, tmp_path, capsys):
    path = write(tmp_path, small)
    assert check_as_json(path) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mistakes"] == []
    assert told["elements"] == ["Cu"]
    assert told["labels_at_most"] > 0
    assert not told["holds_run"]
