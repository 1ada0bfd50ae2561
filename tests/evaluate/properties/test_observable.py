"""A user's own command: what it is given, and how it fails."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError

from pfd.errors import DataError, MissingError, SettingError, TaskFailed, TransientError
from pfd.evaluate.properties.observable import Observable

WRITE = "import json, sys; json.dump({'words': len(sys.argv), 'size': 2.5}, open('numbers.json', 'w'))"


@pytest.fixture
def job(emt_copper, tmp_path):
    """A job with a model folder, and a scratch folder."""
    model, scratch = tmp_path / "model", tmp_path / "scratch"
    model.mkdir()
    (model / "weights").write_text("42", encoding="utf-8")
    scratch.mkdir()
    return replace(emt_copper, model=model, scratch=scratch)


def script(tmp_path, text, name="own.py"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_reads_the_model_and_writes_numbers(job, tmp_path):
    text = "import json, pathlib, sys\njson.dump({'w': int((pathlib.Path(sys.argv[1]) / 'weights').read_text())}, "
    path = script(tmp_path, f"{text}open('numbers.json', 'w'))")
    settings = Observable(command="{python} own.py {model}")
    assert settings.named_files(tmp_path) == [path]
    found = settings.measure(replace(job, files=(path,)))
    assert found.values == {"w": 42.0}
    assert settings.title() == "own.py"


def test_a_script_is_kept_wherever_it_is_but_not_the_program_that_reads_it(job, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = script(elsewhere, WRITE)
    settings = Observable(command=f"{sys.executable} {path} {{model}} /nowhere/on/this/machine.py")
    assert settings.named_files(tmp_path) == [path]
    kept = tmp_path / "inputs" / "0123abcd-own.py"  # as a run keeps it
    kept.parent.mkdir()
    path.rename(kept)
    assert settings.named_files(tmp_path) == [kept]
    found = settings.measure(replace(job, files=(kept,)))
    assert found.values == {"words": 3.0, "size": 2.5}


def test_a_program_beside_the_input_is_run_from_its_copy(job, tmp_path):
    path = script(tmp_path, f"#!{sys.executable}\n{WRITE}", name="own")
    settings = Observable(command="./own {model}")
    found = settings.measure(replace(job, files=tuple(settings.named_files(tmp_path))))
    assert found.values == {"words": 2.0, "size": 2.5}
    assert not path.stat().st_mode & stat.S_IXUSR


@pytest.mark.lammps
def test_lammps_input_is_given_the_potential(sw_silicon, job, tmp_path):
    text = "import json, sys\nlines = open(sys.argv[1]).read().splitlines()\n"
    text += "json.dump({'lines': len(lines), 'sw': int(lines[1] == 'pair_style sw')}, open('numbers.json', 'w'))"
    path = script(tmp_path, text)
    settings = Observable(command="{python} own.py {lammps}")
    found = settings.measure(replace(job, potential=sw_silicon.potential, files=(path,)))
    assert found.values == {"lines": 3.0, "sw": 1.0}


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("import sys; print('no water found'); sys.exit(3)", TaskFailed, "code 3; its last words: no water found"),
        ("print('done')", TaskFailed, "wrote no numbers.json; its last words: done"),
        ("open('numbers.json', 'w').write('{')", DataError, "no JSON"),
        ("open('numbers.json', 'w').write('[1]')", DataError, "no names and numbers"),
        ("open('numbers.json', 'w').write('{\"a\": NaN}')", DataError, "a is nan, no finite number"),
        ("open('numbers.json', 'w').write('{\"a\": true}')", DataError, "a is True"),
        ("import os; os.kill(os.getpid(), 9)", TransientError, "a signal ended"),
        ("import time; time.sleep(60)", TaskFailed, "had not ended after"),
    ],
)
def test_a_command_fails_with_its_own_words(job, tmp_path, text, error, words):
    path = script(tmp_path, text)
    settings = Observable(command="{python} own.py {model}", wall_time="3s" if "sleep" not in text else "0.3s")
    with pytest.raises(error, match=words):
        settings.measure(replace(job, files=(path,)))


def test_a_model_without_a_pair_style_has_no_lammps_input(job):
    with pytest.raises(TaskFailed, match="no pair style"):
        Observable(command="lmp -in {lammps}").measure(job)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"command": ""}, "empty"),
        ({"command": "python own.py"}, "not given the model"),
        ({"command": "own {model}", "wall_time": "soon"}, "no duration"),
        ({"command": "own {model}", "reference": "label"}, "reference"),
    ],
)
def test_mistakes_are_told(content, words):
    with pytest.raises(ValidationError, match=words):
        Observable(**content)


def test_what_is_not_there_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(SettingError, match=r"no such file: own\.py"):
        Observable(command="{python} own.py {model}").check(tmp_path)
    with pytest.raises(MissingError, match="no program 'nosuchprogram'"):
        Observable(command="nosuchprogram {model}").check(tmp_path)
    Observable(command="nosuchprogram {model}").check(tmp_path, runs_here=False)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        script(tmp_path / folder, "")
    with pytest.raises(SettingError, match="two files"):
        Observable(command="{python} a/own.py b/own.py {model}").check(tmp_path)


def test_the_time_limit_is_no_part_of_what_is_measured():
    one, other = (Observable(command="own {model}", wall_time=limit) for limit in ("1h", "2h"))
    assert one.parameters() == other.parameters()
