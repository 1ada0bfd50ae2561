"""``pfd check data``: what it prints and returns, how a model is named; ``pfd check INPUT`` stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import EXAMPLE
from tests.evaluate.data_gate.conftest import copper, relabelled
from typer.testing import CliRunner

import pfd
from pfd.cli.main import app
from pfd.errors import DataError, ModelError, SettingError
from pfd.evaluate.data_gate.finding import Verdict
from pfd.frames import labels_of, read_frames, with_labels, write_frames
from pfd.models.training import adopt_model, make_family

SHARED = Path(__file__).parents[3] / "shared"
DATA = SHARED / "data"
shared = pytest.mark.skipif(not DATA.is_dir(), reason="no labelled sets in ../shared/data")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """train.extxyz, test.extxyz that shares its second frame with it, and random.extxyz."""
    monkeypatch.chdir(tmp_path)
    train = copper(8)
    write_frames(Path("train.extxyz"), train)
    write_frames(Path("test.extxyz"), [*copper(3, seed=60), train[1]])
    rng = np.random.default_rng(0)
    write_frames(Path("random.extxyz"), [relabelled(f, forces=rng.normal(size=(len(f), 3))) for f in train])
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_a_good_set_ends_fine(files):
    ended = run("data", "train.extxyz")
    assert ended.exit_code == 0, ended.output
    assert ended.output.splitlines()[-1] == "verdict: FINE"
    assert "8 frames of 32 atoms; energy in 8, forces in 8, stress in 8, moments in 0; 8 of Cu32" in ended.output


def test_random_forces_end_with_code_2(files):
    ended = run("data", "random.extxyz")
    assert ended.exit_code == 2
    assert "REFUSED random.extxyz: the forces have no relation to the structures" in ended.output
    assert ended.output.splitlines()[-1] == "verdict: REFUSED"


def test_an_overlap_is_named_for_scripts(files):
    ended = run("data", "train.extxyz", "--test", "test.extxyz", "--json")
    assert ended.exit_code == 0
    (overlap,) = [each for each in json.loads(ended.output)["findings"] if each["sign"] == "overlap"]
    assert overlap["verdict"] == "WARNING"
    name = labels_and_id(files / "train.extxyz", 1)
    assert overlap["frames"] == [f"test.extxyz frame 3 ({name}) = train.extxyz frame 1 ({name})"]


def labels_and_id(path, index):
    return read_frames(path)[index].info["id"]


def test_a_model_is_named_by_family_and_weights_or_by_its_folder(files):
    folder = files / "model"
    folder.mkdir()
    adopt_model(make_family("toy"), "soft-copper", None, folder)
    weights = pfd.check_data(["train.extxyz"], against="toy:soft-copper", max_predicted=4)
    from_folder = pfd.check_data(["train.extxyz"], against=folder, max_predicted=4)
    (first,), (second,) = weights.of("forces against the model"), from_folder.of("forces against the model")
    assert first.numbers == second.numbers
    assert first.numbers["frames"] == 4
    assert first.numbers["slope"] == pytest.approx(0.7, abs=0.1)  # what the toy's weights are made with
    assert "soft-copper in " in second.text
    assert weights.verdict is Verdict.FINE


@pytest.mark.parametrize(
    ("options", "kind", "where"),
    [
        ({"files": []}, SettingError, "no set to check"),
        ({"files": ["none.extxyz"]}, DataError, "none.extxyz: no such file"),
        ({"test": ["train.extxyz"]}, SettingError, "train.extxyz: one file is named twice"),
        ({"against": "soft-copper"}, ModelError, "--against: 'soft-copper' is neither a model folder nor FAMILY"),
        ({"against": "toy:"}, ModelError, "neither"),
        ({"against": "tyo:soft-copper"}, SettingError, "tyo"),
        ({"against": "toy:hard-copper"}, ModelError, "hard-copper"),
        ({"against": "toy:soft-copper", "head": "pbe"}, ModelError, "no head"),
        ({"labels": {"force": "forces"}}, SettingError, "'force' is no label"),
        ({"labels": {"forces": "f"}}, DataError, "no forces under the key 'f'"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_an_error(files, options, kind, where):
    with pytest.raises(kind) as error:
        pfd.check_data(**{"files": ["train.extxyz"], **options})
    assert where in str(error.value)


def test_elements_that_the_model_does_not_know_are_an_error(files):
    silver = [frame.copy() for frame in copper(2)]
    for frame in silver:
        frame.symbols[:] = "Ag"
    write_frames(Path("silver.extxyz"), [with_labels(f, labels_of(c)) for f, c in zip(silver, copper(2), strict=True)])
    with pytest.raises(ModelError, match="does not know Ag"):
        pfd.check_data(["silver.extxyz"], against="toy:soft-copper")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--labels", "forces"), "'forces' is not LABEL=KEY"),
        (("--labels", "=f"), "is no label"),
        (("--device", "tpu"), "no device 'tpu'"),
        (("--head", "pbe"), "there is no model to compare with"),
    ],
)
def test_options_that_make_no_sense_are_errors(files, arguments, words):
    ended = run("data", "train.extxyz", *arguments)
    assert isinstance(ended.exception, SettingError)
    assert words in str(ended.exception)


def test_keys_are_hinted_at_in_the_words_of_the_command(files):
    text = (files / "train.extxyz").read_text(encoding="utf-8")
    text = text.replace("energy=", "e_dft=").replace("forces:R:3", "f_dft:R:3")
    (files / "named.extxyz").write_text(text, encoding="utf-8")
    ended = run("data", "named.extxyz")
    assert isinstance(ended.exception, DataError)
    assert "--labels energy=REF_energy" in ended.exception.hint
    assert run("data", "named.extxyz", "--labels", "energy=e_dft", "--labels", "forces=f_dft").exit_code == 0


def test_the_check_of_an_input_stays_as_it_was(files):
    ended = run(EXAMPLE / "input.yaml")
    assert ended.exit_code == 0, ended.output
    assert "no mistake found" in ended.output
    missing = run("nothing.yaml")
    assert isinstance(missing.exception, SettingError)
    assert "no such file" in str(missing.exception)


def test_help_tells_of_both(files):
    text = " ".join(run("--help").output.split())
    assert "pfd check INPUT" in text
    assert "data FILE..." in text
    assert run().exit_code == 2


@pytest.mark.skipif(not (SHARED / "recorded" / "vasp").is_dir(), reason="no recorded outputs in ../shared/recorded")
def test_frames_that_vasp_left_unconverged_are_told(files):
    report = pfd.check_data([SHARED / "recorded" / "vasp" / "methane-unconverged" / "OUTCAR"])
    (finding,) = report.of("left out")
    assert finding.numbers == {"frames": 2}
    assert "unconverged" in finding.text


@pytest.mark.skipif(not (SHARED / "recorded" / "vasp").is_dir(), reason="no recorded outputs in ../shared/recorded")
def test_a_trajectory_of_vasp_is_fine_and_does_the_work_of_its_forces(files):
    report = pfd.check_data([SHARED / "recorded" / "vasp" / "water-md-10" / "OUTCAR"])
    assert report.verdict is Verdict.FINE
    (work,) = report.of("energy and work")
    assert work.numbers["slope"] == pytest.approx(1.0, abs=0.05)


@shared
@pytest.mark.parametrize("path", sorted(DATA.glob("*/*.extxyz")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_published_set_is_refused_and_each_is_with_random_forces(files, path):
    assert pfd.check_data([path]).verdict is not Verdict.REFUSED
    rng = np.random.default_rng(1)
    frames = [relabelled(frame, forces=rng.normal(size=(len(frame), 3))) for frame in read_frames(path)]
    write_frames(Path("spoilt.extxyz"), frames)
    assert pfd.check_data(["spoilt.extxyz"]).of("random forces")[0].verdict is Verdict.REFUSED


@shared
def test_the_overlap_of_silicon_is_named(files):
    report = pfd.check_data([DATA / "silicon" / "train.extxyz"], test=[DATA / "silicon" / "test.extxyz"])
    (overlap,) = report.of("overlap")
    assert overlap.numbers == {"frames": 3, "of": 25}
    assert [text.partition(" (")[0].rpartition(" ")[2] for text in overlap.frames] == ["22", "23", "24"]
    assert all("train.extxyz frame 192 (" in text for text in overlap.frames)


@shared
@pytest.mark.chgnet
@pytest.mark.parametrize(("name", "order"), [("silicon", "xy, yz, xz"), ("molybdenum", "xy, xz, yz")])
def test_chgnet_tells_forces_energies_and_the_convention_of_the_stress(files, name, order):
    report = pfd.check_data(
        [DATA / name / "train.extxyz"], against="chgnet:0.3.0", labels={"stress": "raw_stress"}, max_predicted=40
    )
    (forces,), (energies,) = report.of("forces against the model"), report.of("energies against the model")
    assert forces.verdict is energies.verdict is Verdict.FINE
    assert forces.numbers["cosine"] > 0.9
    assert 0.6 < forces.numbers["slope"] < 1.1
    assert energies.numbers["correlation"] > 0.9
    (stress,), (shears,) = report.of("stress against the model"), report.of("order of the shear stresses")
    assert stress.verdict is shears.verdict is Verdict.REFUSED
    assert "in kbar and of the opposite sign" in stress.hint
    assert f"more like {order} (" in shears.text


@pytest.mark.environment("mace")
def test_a_model_of_another_environment_is_asked_there(files):
    family = make_family("mace")
    from pfd.models.environment import launch_for
    from pfd.models.named_model import named_model, predictions

    launch = launch_for(family)
    script = "import sys; from pfd.models.training import make_family as m; from pathlib import Path as P; "
    script += "print(m('mace').untrained(P(sys.argv[1]), ('Cu',), 0))"
    import subprocess

    (files / "untrained").mkdir()
    command = launch.command("-P", "-c", script, str(files / "untrained"))
    made = subprocess.run(command, env=launch.environ(), capture_output=True, text=True, check=True)
    source = made.stdout.split()[-1]
    with named_model(f"mace:{source}", family.untrained_head, trust_file=True) as folder:
        found = predictions(folder, copper(2))
    assert all(each.forces is not None and np.isfinite(each.forces).all() for each in found)


def test_the_hint_of_a_damaged_file_speaks_of_options(files):
    (files / "cut.xml").write_text("<modeling>")
    ended = run("data", "cut.xml", "--format", "vasp-xml")
    assert isinstance(ended.exception, DataError)
    assert "--format" in ended.exception.hint
    assert "is it complete?" in ended.exception.hint


def test_the_help_reads_as_the_command_is_written():
    said = run("--help").output
    assert "INPUT | data FILE" in said
    assert "pfd check INPUT" in " ".join(said.split())
