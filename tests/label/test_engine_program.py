"""The program of an engine gets its share of the cores, its time, and what containers need."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from pfd.errors import MissingError
from pfd.label.engine_program import ProgramSettings, last_words, run_engine
from pfd.label.espresso.labeler import Espresso
from pfd.program import Finished


@pytest.fixture
def mpirun(tmp_path):
    program = tmp_path / "mpirun"
    program.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS ${OMPI_ALLOW_RUN_AS_ROOT:-0} $*"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("given", "expected"), [("4", "2"), ("4,2", "2"), ("1", "1"), ("", "1"), ("many", "1")])
def test_the_cores_are_shared_out_among_the_ranks(mpirun, tmp_path, monkeypatch, given, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    settings = ProgramSettings(method="x", command=f"{mpirun} -np 2 engine")
    finished = run_engine(settings, tmp_path, "log", arguments=["-in", "file"])
    root = "1" if os.geteuid() == 0 else "0"
    assert finished.output == f"{expected} {root} -np 2 engine -in file\n"
    assert (tmp_path / "log").read_text() == finished.output


def labeler(**settings):
    own = {"pseudo_dir": ".", "pseudopotentials": {"Cu": "Cu.upf"}, "ecutwfc_Ry": 30}
    return Espresso(Espresso.Settings.model_validate({"method": "espresso", **own, **settings}))


def test_the_ranks_of_a_command_are_its_cores():
    assert labeler(command="mpirun -np 2 pw.x").cores() == (2, "command")
    assert labeler(command="pw.x").cores() is None


def test_its_time_is_limited(tmp_path):
    settings = ProgramSettings(method="x", command="sleep 60", wall_time=0.2)
    assert run_engine(settings, tmp_path, "log").timed_out


def test_a_missing_program_is_named_with_what_installs_it():
    with pytest.raises(MissingError, match="no program 'no-such-engine'") as caught:
        labeler(command="no-such-engine -v").check([])
    assert caught.value.hint == Espresso.install


@pytest.mark.parametrize(
    "settings", [{"command": " "}, {"command": "x", "wall_time": "soon"}, {"command": "x", "wall_time": -1}]
)
def test_senseless_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        ProgramSettings(method="x", **settings)


def test_last_words_are_one_line(tmp_path):
    settings = ProgramSettings(method="x", command="seq 100")
    assert last_words(run_engine(settings, tmp_path, "log")) == " ".join(map(str, range(71, 101)))


def test_last_words_are_those_of_the_rank_that_failed():
    bar = 74 * "-"
    left = "Primary job  terminated normally, but 1 process returned\na non-zero exit code."
    told = "mpirun detected that one or more processes exited with non-zero status, thus causing\nthe job to be"
    told += " terminated. The first process to do so was:\n\n  Process name: [[32180,1],1]\n  Exit code:    16"
    notices = f"{bar}\n{left}\n{bar}\n{bar}\n{told}\n{bar}\n"
    output = f"step 1\n{bar}\nthe cause\n{bar}\n"
    assert last_words(Finished(16, False, output + notices, 1.0)) == f"step 1 {bar} the cause {bar}"
    assert last_words(Finished(16, False, notices, 1.0)).endswith(f"Exit code: 16 {bar}")
