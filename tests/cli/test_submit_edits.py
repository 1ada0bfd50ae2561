"""Submitting an edited input to a run that is there says what was changed, before anything is done."""

from __future__ import annotations

from pathlib import Path

import yaml

from pfd.api import submit
from pfd.cli.edits import edits
from pfd.cli.submit import submit_and_show
from pfd.config.reading import read_input

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy"


def test_the_changed_keys_are_named(tmp_path, monkeypatch, capfd):
    content = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    del content["distill"]
    content["finetune"]["max_iterations"] = 1
    (tmp_path / "Cu.cif").write_bytes((EXAMPLE / "Cu.cif").read_bytes())
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    submit(path, until="select")
    content["finetune"]["select"] = {"max_frames": 5}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    submit_and_show(path, None, "select")
    told = capfd.readouterr().err
    assert "toy: going on; changed since it was last submitted: finetune.select" in told
    submit_and_show(path, None, "select")
    assert "changed since" not in capfd.readouterr().err


def test_a_default_of_another_version_is_no_edit(tmp_path, monkeypatch, capfd, in_process):
    monkeypatch.chdir(tmp_path)
    submit_and_show(EXAMPLE / "input.yaml", None, "select")
    resolved = tmp_path / "toy" / "resolved-001.yaml"  # as a version wrote it that had one default more, and one less
    text = resolved.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    del content["distill"]["label_times"]
    content["finetune"]["select"]["min_per_condition"] = 2
    resolved.write_text(yaml.safe_dump(content), encoding="utf-8")
    capfd.readouterr()
    folder, run = EXAMPLE / "input.yaml", Path("toy")
    told = edits(read_input(folder), run)
    assert told == (
        "defaults that the input leaves open, others than before: finetune.select.min_per_condition (4, before 2), "
        "distill.label_times (3, before unset)"
    )
    both = edits(read_input(folder, ["finetune.max_iterations=2", "distill.label_times=3"]), run)
    assert both == (
        "finetune.max_iterations, distill.label_times; defaults that the input leaves open, others than before: "
        "finetune.select.min_per_condition (4, before 2)"
    )
    submit_and_show(folder, None, "select")
    assert "going on; changed since it was last submitted: defaults that the input" in " ".join(
        capfd.readouterr().err.split()
    )
    (run / "input.yaml").write_text("{", encoding="utf-8")
    resolved.with_name("resolved-002.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert edits(read_input(folder), run) == "finetune.select.min_per_condition, distill.label_times"


def test_keys_of_the_command_line_that_are_left_out_are_told_with_their_values(
    tmp_path, monkeypatch, capfd, in_process
):
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "input.yaml"
    (tmp_path / "Cu.cif").write_bytes((EXAMPLE / "Cu.cif").read_bytes())
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    words = ["finetune.select.max_frames=5", "structures.0.perturb={count: 2}"]
    submit_and_show(path, None, "select", overrides=words)
    capfd.readouterr()
    submit_and_show(Path("toy"), None, "select")  # the run folder keeps them
    assert "changed since" not in capfd.readouterr().err
    submit_and_show(path, None, "select")
    told = capfd.readouterr().err
    said = told.partition("set on the command line before, and not now:")[2].partition("; give it again")[0].split()
    assert {"finetune.select.max_frames=5", "structures.0.perturb.count=2"} <= set(said), told
    assert "pfd submit toy, which kept it" in told
    submit_and_show(path, None, "select")  # said once: now this is the input
    assert "command line" not in capfd.readouterr().err


def test_what_tasks_have_cost_is_kept_for_later_plans(tmp_path, monkeypatch, capfd, in_process):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PFD_CACHE", str(tmp_path / "cache"))
    submit_and_show(EXAMPLE / "input.yaml", None, "select")
    assert "in the run toy, " in (tmp_path / "cache" / "rates.json").read_text()
