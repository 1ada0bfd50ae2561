"""A user's command: what it reads and writes, how it fails, and what makes its labels others."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms
from pydantic import ValidationError

from pfd.errors import InputError, LabelRejected, MissingError, SettingError, TransientError
from pfd.frames import read_frames
from pfd.label.command import Command
from pfd.label.judge import label_frame, record_label

SCRIPT = """
import sys
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

atoms = read("frame.extxyz")
atoms.calc = EMT()
results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
if atoms.cell.rank == 3:
    results["stress"] = atoms.get_stress()
{edit}
atoms.calc = SinglePointCalculator(atoms, **results)
write("labelled.extxyz", atoms)
{end}
"""


def copper():
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=1)
    return frame


@pytest.fixture
def command(tmp_path):
    """A labeler whose script is as above, with a line before it writes and one after."""

    def make(edit="", end="", **settings):
        folder = tmp_path / "input"
        folder.mkdir(exist_ok=True)
        (folder / "label.py").write_text(SCRIPT.replace("{edit}", edit).replace("{end}", end))
        given = {"command": f"{sys.executable} label.py", "level": "EMT"} | settings
        return Command(Command.Settings.model_validate(given).starting_at(folder))

    return make


def test_a_script_beside_the_input_labels_a_frame(command, tmp_path):
    from ase.calculators.emt import EMT

    labeler, frame = command(), copper()
    labeler.check([frame])
    labels = label_frame(labeler, frame, tmp_path / "scratch")
    frame.calc = EMT()
    assert labels.energy == pytest.approx(frame.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(labels.forces, frame.get_forces(), atol=1e-7)
    np.testing.assert_allclose(labels.stress, frame.get_stress(), atol=1e-9)
    assert labels.level_of_theory == labeler.level_of_theory()
    assert labels.level_of_theory.startswith("EMT, command ")


def test_the_frame_is_written_with_its_state_and_nothing_that_changes_a_label(command, tmp_path):
    labeler, frame = command(honours=["charge", "spin", "initial_magmoms"]), copper()
    frame.info |= {"charge": 1, "spin": 2, "temperature_K": 300.0}
    frame.set_initial_magnetic_moments([1.0, 0, 0, 0])
    frame.set_constraint(FixAtoms([0]))
    labels = label_frame(labeler, frame, tmp_path / "scratch")
    assert np.linalg.norm(labels.forces[0]) > 0.01  # raw forces, also on atoms that are held fast
    (written,) = read_frames(tmp_path / "scratch" / "try-1" / "frame.extxyz")
    assert written.info == {"charge": 1, "spin": 2, "id": written.info["id"]}
    assert (written.positions == frame.positions).all()
    assert written.get_initial_magnetic_moments().tolist() == [1.0, 0, 0, 0]
    assert not written.constraints


BAD_ENDS = {
    "other order": ("atoms = atoms[[1, 0, 2, 3]]; atoms.numbers[0] = 47", "", "computed other atoms"),
    "moved": ("atoms.positions[2] += 0.01", "", "computed other positions"),
    "same atoms in another order": ("atoms.positions = atoms.positions[[1, 0, 2, 3]]", "", "computed other positions"),
    "another cell": ("atoms.cell *= 1.001", "", "computed another cell"),
    "one atom lost": (
        "results['forces'] = results['forces'][1:]; del atoms[0]",
        "",
        r"the shape \(3, 3\), not \(4, 3\)",
    ),
    "NaN energy": ("results['energy'] = float('nan')", "", "the energy is not finite"),
    "NaN forces": ("results['forces'][1, 2] = float('nan')", "", "the forces is not finite"),
    "infinite stress": ("results['stress'][0] = float('inf')", "", "the stress is not finite"),
    "no forces": ("del results['forces']", "", "gave no forces"),
    "no energy": ("del results['energy']", "", "gave no energy"),
    "no stress": ("del results['stress']", "", "gave no stress"),
    "no frame": ("", "open('labelled.extxyz', 'w').close()", "holds 0 frames"),
    "two frames": ("", "write('labelled.extxyz', [atoms, atoms])", "holds 2 frames"),
    "no file": ("", "import os; os.remove('labelled.extxyz'); print('forgot it')", "wrote no labelled.extxyz.*forgot"),
    "cut": ("", "t = open('labelled.extxyz').read(); open('labelled.extxyz', 'w').write(t[:-90])", "not readable"),
    "cut after the header": ("", "t = open('labelled.extxyz').read(); open('labelled.extxyz', 'w').write(t[:40])", ""),
    "garbled": ("", "open('labelled.extxyz', 'w').write('energy: -3')", "not readable"),
    "code 2": ("", "sys.exit('SCF cycle: no luck')", "ended with code 1; its last words: SCF cycle: no luck"),
    "exception": ("raise ValueError('basis set is odd')", "", "ended with code 1.*ValueError: basis set is odd"),
    "unconverged": ("atoms.info['converged'] = False", "", "says that it did not converge"),
    "unconverged in words": ("atoms.info['converged'] = 'no'", "", "converged is 'no'"),
    "all steps used": ("atoms.info.update(scf_steps=40, max_scf_steps=40)", "", "used all of its 40 SCF steps"),
    "net force": ("results['forces'] += 0.1", "", "forces sum to"),
    "wild": ("results['forces'] *= 1e4", "", "largest force"),
}


@pytest.mark.parametrize(("edit", "end", "words"), BAD_ENDS.values(), ids=BAD_ENDS)
def test_a_bad_label_is_rejected_with_its_reason(command, tmp_path, edit, end, words):
    with pytest.raises(LabelRejected, match=rf"(?s)frame f.*{words}") as caught:
        label_frame(command(edit, end), copper(), tmp_path / "scratch")
    assert caught.value.hint


def test_what_is_outside_of_the_script_is_tried_again(command, tmp_path):
    for number, (settings, end, words) in enumerate(
        [
            ({}, "print('the licence server is down'); sys.exit(75)", "tried again .code 75.*licence server"),
            ({}, "print('No space left on device'); sys.exit(1)", "the disk is full"),
            ({}, "import os; os.kill(os.getpid(), 9)", "was killed"),
            ({"wall_time": 0.2}, "import time; time.sleep(60)", "its time limit"),
        ]
    ):
        with pytest.raises(TransientError, match=f"(?s){words}"):
            label_frame(command(end=end, **settings), copper(), tmp_path / f"scratch{number}")


def test_a_command_that_cannot_be_run_is_missing(command, tmp_path):
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "run.sh").write_text("#!/bin/sh\nno-such-engine frame.extxyz\n")
    (tmp_path / "input" / "run.sh").chmod(0o755)
    with pytest.raises(MissingError, match=r"could not be run.*no-such-engine"):
        label_frame(command(command="./run.sh"), copper(), tmp_path / "scratch")


def test_a_program_beside_the_input_is_started_as_a_copy(command, tmp_path):
    program = tmp_path / "input" / "bin" / "run.sh"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nexec {sys.executable} label.py\n")
    program.chmod(0o755)
    labeler = command(command="bin/run.sh", input_files=["label.py"], keep="all")
    labeler.check([copper()])
    assert label_frame(labeler, copper(), tmp_path / "scratch").energy
    assert (tmp_path / "scratch" / "try-1" / "run.sh").is_file()


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"command": "python lable.py"}, SettingError, "no such file: lable.py"),
        ({"command": "./nowhere"}, MissingError, "no program './nowhere'"),
        ({"command": "no-such-program label.py"}, MissingError, "no program 'no-such-program'"),
        ({"input_files": ["INCAR"]}, SettingError, "no such file: .*INCAR"),
        ({"input_files": ["label.py", "other/label.py"]}, SettingError, "two files are called label.py"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_started(command, tmp_path, settings, kind, words):
    (tmp_path / "input" / "other").mkdir(parents=True)
    (tmp_path / "input" / "other" / "label.py").touch()
    with pytest.raises(kind, match=words) as caught:
        command(**settings).check([copper()])
    assert caught.value.hint
    assert caught.value.where.startswith("finetune.label.")


@pytest.mark.parametrize("missing", ["level", "command"])
def test_the_level_and_the_command_are_the_users(missing):
    given = {"command": "label", "level": "PBE"}
    del given[missing]
    with pytest.raises(ValidationError, match=missing):
        Command.Settings.model_validate(given)
    with pytest.raises(ValidationError, match="at least 1 character"):
        Command.Settings.model_validate({"command": "label", "level": ""})


def test_a_changed_script_is_another_level_of_theory(command):
    level = command().level_of_theory()
    assert command(command=f"mpirun -np 2 {sys.executable} label.py").level_of_theory() == level
    assert command(wall_time="1h").level_of_theory() == level
    assert command("x = 1").level_of_theory() != level
    assert command(command=f"{sys.executable} label.py --xc PBEsol").level_of_theory() != level
    assert command(level="PBE").level_of_theory() != level


def test_a_run_that_was_moved_finds_the_files_it_kept(command, tmp_path):
    program = tmp_path / "input" / "run.sh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {sys.executable} label.py\n")
    program.chmod(0o755)
    settings = {"command": "./run.sh", "input_files": ["label.py"]}
    there = command(**settings)
    kept = tmp_path / "run" / "inputs"
    kept.mkdir(parents=True)
    for name, digest in (("run.sh", "01234567"), ("label.py", "89abcdef")):
        (kept / f"{digest}-{name}").write_bytes((tmp_path / "input" / name).read_bytes())
    moved = Command(Command.Settings.model_validate({**settings, "level": "EMT"}).starting_at(tmp_path / "run"))
    assert moved.level_of_theory() == there.level_of_theory()
    moved.check([copper()])
    assert label_frame(moved, copper(), tmp_path / "scratch").energy


def test_a_file_beside_the_frame_is_known_by_its_content(command, tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "basis.txt").write_text("small")
    first = command(input_files=["basis.txt"], keep="all")
    level = first.level_of_theory()
    label_frame(first, copper(), tmp_path / "scratch")
    assert (tmp_path / "scratch" / "try-1" / "basis.txt").read_text() == "small"
    (folder / "basis.txt").write_text("large")
    with pytest.raises(SettingError, match="has changed"):
        label_frame(first, copper(), tmp_path / "again")
    assert command(input_files=["basis.txt"]).level_of_theory() != level


@pytest.mark.parametrize("state", ["charge", "spin", "initial_magmoms", "partial_pbc"])
def test_a_state_is_refused_unless_the_script_is_said_to_heed_it(command, tmp_path, state):
    frame = copper()
    if state == "initial_magmoms":
        frame.set_initial_magnetic_moments([1.0, 0, 0, 0])
    elif state == "partial_pbc":
        frame.pbc = (True, True, False)
    else:
        frame.info[state] = 3
    with pytest.raises(InputError, match=f"asks for {state}") as caught:
        command().check([frame])
    assert f"honours: [{state}]" in caught.value.hint
    with pytest.raises(InputError, match=state):
        label_frame(command(), frame, tmp_path / "refused")
    heeding = command(honours=[state])
    heeding.check([frame])
    labels = label_frame(heeding, frame, tmp_path / "scratch")
    assert (labels.stress is None) == (state == "partial_pbc")


def test_a_molecule_without_a_cell_has_no_stress(command, tmp_path):
    frame = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]])
    labels = label_frame(command(), frame, tmp_path / "scratch")
    assert labels.stress is None
    assert abs(labels.forces[0, 2]) > 0.1


def test_a_label_without_stress_is_complete_if_none_is_asked(command, tmp_path):
    assert label_frame(command("del results['stress']", stress=False), copper(), tmp_path / "scratch").stress is None


@pytest.mark.parametrize(
    "edit",
    [
        "results['free_energy'] = results['energy']; results['energy'] += 0.25",  # as ASE has it
        "atoms.info['energy_sigma0'] = results['energy'] + 0.25",
    ],
)
def test_the_energy_is_the_one_whose_gradient_the_forces_are(command, tmp_path, edit):
    plain = label_frame(command(), copper(), tmp_path / "plain").energy
    record, labels = record_label(command(edit), copper(), tmp_path / "scratch")
    assert labels.energy == pytest.approx(plain)
    assert record.extra["energy_sigma0_eV"] == pytest.approx(plain + 0.25)


def test_moments_and_steps_are_kept(command, tmp_path):
    edit = "results |= {'magmom': 0.5, 'magmoms': [0.5, 0.25, 0.0, -0.25]}; atoms.info.update(scf_steps=9)"
    record, _ = record_label(command(edit), copper(), tmp_path / "scratch")
    assert record.extra == {"total_magmom": 0.5, "local_magmoms": [0.5, 0.25, 0.0, -0.25]}
    assert record.scf_steps == 9


def test_the_example_of_the_docs_works(tmp_path):
    """docs/labels-command.md shows a whole script and its section of the input."""
    import re

    import yaml

    text = (Path(__file__).parents[2] / "docs" / "labels-command.md").read_text(encoding="utf-8")
    script = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    section = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])["finetune"]["label"]
    assert len(script.splitlines()) <= 30
    (tmp_path / "label.py").write_text(script)
    section["command"] = section["command"].replace("python ", f"{sys.executable} ")
    labeler = Command(Command.Settings.model_validate(section).starting_at(tmp_path))
    labeler.check([copper()])
    assert label_frame(labeler, copper(), tmp_path / "scratch").stress is not None


def test_a_package_that_is_missing_stops_the_run_and_rejects_no_frame(command, tmp_path):
    with pytest.raises(MissingError, match="no_such_package_at_all"):
        label_frame(command("import no_such_package_at_all"), copper(), tmp_path / "scratch")


def test_a_rejected_frame_is_worth_another_try_with_another_interpreter(command):
    assert command(command="python label.py").aids() != command(command="python3.12 label.py").aids()


def test_another_periodicity_is_another_frame(command, tmp_path):
    with pytest.raises(LabelRejected, match="periodic in no direction"):
        label_frame(command("atoms.pbc = False; results.pop('stress')", stress=False), copper(), tmp_path / "scratch")


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_scratch_folder_that_is_none_is_refused_before_anything_runs(command, tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="no folder that may be written to"):
        command(scratch_dir=str(tmp_path / name)).check([copper()])


@pytest.mark.parametrize("end", ["sys.exit('PetscError: ENOSPC')", "sys.exit('OSError: [Errno 28] write failed')"])
def test_a_script_that_says_in_its_own_words_that_the_disk_is_full_is_tried_again(command, tmp_path, end):
    with pytest.raises(TransientError, match="the disk is full"):
        label_frame(command(end=end), copper(), tmp_path / "scratch")


@pytest.mark.parametrize("name", ["code 2", "cut", "unconverged in words"])
def test_no_frame_is_rejected_while_no_space_is_left(command, tmp_path, monkeypatch, name):
    monkeypatch.setattr("pfd.label.program_failure.NO_SPACE_BYTES", 2**62)
    edit, end, _ = BAD_ENDS[name]
    with pytest.raises(TransientError, match=r"the disk of .* is full"):
        label_frame(command(edit, end), copper(), tmp_path / "scratch")


def test_the_output_of_a_script_that_talks_without_end_is_cut(command, tmp_path, monkeypatch):
    monkeypatch.setattr("pfd.program.PART_KEPT", 1000)
    label_frame(command(end="print('a word ' * 10000)"), copper(), tmp_path / "scratch")
    (log,) = (tmp_path / "scratch").rglob("command.out")
    assert "left out" in log.read_text()
    assert log.stat().st_size < 2200
