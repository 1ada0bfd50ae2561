"""What ``pfd check`` tells beyond mistakes: the run folder, the structures, and how much is asked for at most."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pfd.cli.check import check_and_show
from pfd.config.reading import read_input
from pfd.frames import with_origin, write_frames

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy"


@pytest.fixture
def shown(tmp_path, monkeypatch, capsys):
    """Check the toy example with some edits of its sections; what is printed, line by line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Cu.cif").write_bytes((EXAMPLE / "Cu.cif").read_bytes())

    def look(**sections):
        tree = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
        for name, values in sections.items():
            tree[name] = tree.get(name, {}) | values if isinstance(values, dict) else values
        path = tmp_path / "input.yaml"
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        before = sorted(tmp_path.iterdir())
        check_and_show(path)
        assert sorted(tmp_path.iterdir()) == before, "something was started"
        return capsys.readouterr().out.splitlines()

    return look


def test_a_pause_is_told(shown):
    tree = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    lines = shown(finetune=tree["finetune"] | {"pause": "before_label"})
    assert sum("pfd approve" in line for line in lines) == 1


def test_the_plan_of_the_toy(shown):
    assert shown()[1:] == [
        "run folder: toy (new)",
        "structures: 2 frames of 1 entry, perturbed copies included: 2 of Cu32",
        "  elements: Cu; 32 atoms in each",
        "finetune: toy soft-copper is trained on labels of toy",
        "  explore.0.0: md, 4 runs an iteration (structures 0, 1; 300, 600 K), 60 steps, at most 5 frames each",
        "  test set: 6 frames at most",
        "  frames to train on: at most 8 an iteration; at most 3 iterations",
        "  labels to pay for: at most 30 in all, test set included",
        (
            "distill: a student of toy is fitted to labels of the fine-tuned toy soft-copper, which cost no more, and "
            "to those of fine-tuning (3 times each)"
        ),
        "  explore.0.0: md, 4 runs an iteration (structures 0, 1; 300, 600 K), 60 steps, at most 5 frames each",
        "    4 more at 1.5 times the temperature, for training only",
        "    the student is judged by its own: the same runs with 600 steps",
        "  test set: 6 frames at most",
        "  frames to train on: at most 16 an iteration, and what the student's own runs add; at most 3 iterations",
        "licence of toy soft-copper: MIT",
        (
            "level of theory: labels: toy Morse -3 eV / model: toy Morse: the model does not say what functional it "
            "is. If it is another, fine-tuning must learn the difference as well"
        ),
    ]


def test_how_long_the_student_explores_hotter_is_told(shown):
    tree = yaml.safe_load((EXAMPLE / "input.yaml").read_text(encoding="utf-8"))
    explored = [[tree["distill"]["explore"][0][0] | {"with": "student"}]]
    lines = shown(distill={"explore": explored})
    warmer = "    4 more at 1.5 times the temperature, for training only"
    assert f"{warmer}, once the student drives them with 600 steps" in lines


def test_fewer_test_frames_than_asked_for_are_told(shown):
    lines = shown(evaluate={"test_frames": 7})
    why = "one run gives 5 at most, (steps - equilibration) / every"
    assert f"    test frames at each condition: 5, not 7 (evaluate.test_frames): {why}" in lines
    assert "  test set: 10 frames at most (14 asked for)" in lines


def test_caps_are_told(shown):
    lines = shown(finetune={"label": {"method": "toy", "max_total": 20, "max_core_hours": 1.5}, "initial": "label"})
    assert "  frames to train on: 2 starting frames, at most 8 an iteration; at most 3 iterations" in lines
    cap = "at most 20 in all, test set included (max_total; without it 32), and as many as 1.5 core hours pay for"
    assert f"  labels to pay for: {cap}" in lines


def test_other_groups_are_told_in_their_own_words(shown, tmp_path):
    frames = [with_origin(frame) for frame in read_frames_of(tmp_path / "Cu.cif", 10)]
    write_frames(tmp_path / "pool.extxyz", frames)
    explore = [
        {"method": "anneal", "ramp_K": [900, 300], "steps": 40, "replicas": 2},
        {"method": "random", "formulas": ["Cu4"], "replicas": 3},
        {"method": "pool", "file": "pool.extxyz"},
    ]
    lines = shown(finetune={"explore": explore})
    group = "anneal, 4 runs an iteration (structures 0, 1; 900 to 300 K; 2 replicas), 40 steps, at most 4 frames each"
    assert f"  explore.0: {group}" in lines
    found = "random, 3 runs an iteration (formula Cu4; 3 replicas), 60 steps, at most 7 frames each"
    assert f"  explore.1: {found}" in lines
    assert "  explore.2: pool pool.extxyz, 7 frames to choose from" in lines
    assert "    only 2 of the 3 test frames asked for: the part kept for tests has no more" in lines


def read_frames_of(path, count):
    """Some strained copies of a structure."""
    import ase.io

    structure = ase.io.read(path)
    copies = []
    for number in range(count):
        copy = structure.copy()
        copy.set_cell(structure.cell * (1.0 + 0.01 * number), scale_atoms=True)
        copies.append(copy)
    return copies


def test_a_run_that_is_there_is_told_with_what_was_changed(shown, tmp_path):
    shown()
    folder = tmp_path / "toy"
    folder.mkdir()
    assert "run folder: toy (new)" in shown()
    (folder / "run.json").write_text(json.dumps({"name": "toy", "format": 1}))
    text = yaml.safe_dump(read_input(tmp_path / "input.yaml").input.model_dump(mode="json", by_alias=True))
    (folder / "resolved-001.yaml").write_text(text)
    lines = shown()
    assert "run folder: toy holds this run: pfd submit will go on with it" in lines
    assert "  changed since it was last submitted: nothing" in lines
    lines = shown(evaluate={"test_frames": 2}, finetune={"label": {"method": "toy", "constant_eV": -1.0}})
    assert "  changed since it was last submitted: finetune.label.constant_eV, evaluate.test_frames" in lines


@pytest.mark.parametrize(
    ("content", "what"), [('{"name": "other", "format": 1}', "the run 'other'"), (None, "no run"), ("[]", "no run")]
)
def test_a_folder_that_submit_would_refuse_is_told(shown, tmp_path, content, what):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "notes.txt").touch()
    if content is not None:
        (tmp_path / "toy" / "run.json").write_text(content)
    (line,) = [line for line in shown() if line.startswith("run folder")]
    assert line == f"run folder: toy holds {what}: pfd submit will refuse it; name another: pfd submit INPUT RUN"
