"""``pfd approve``: the frames that wait are shown, and words name those that are struck out."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.cli.conftest import FINETUNE, pfd, write
from tests.workflow.conftest import EngineInProcess
from typer.testing import CliRunner

import pfd as package
from pfd.cli.approve import approve_and_show, waiting_frames
from pfd.cli.argo import resubmit_to_argo
from pfd.cli.main import app
from pfd.cli.status import status_lines, status_of
from pfd.errors import RunError, SettingError
from pfd.report.page import report_page
from pfd.workflow.decisions import decisions
from pfd.workflow.journal import Journal

pytestmark = pytest.mark.usefixtures("in_process")
PAUSING = FINETUNE | {"finetune": FINETUNE["finetune"] | {"pause": "before_label"}}


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """A folder with a run that waits for six frames to be looked at."""
    folder = tmp_path_factory.mktemp("waiting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pfd.report.page.write_report", lambda path: None)
        patch.setattr("pfd.engines.local.LocalEngine", EngineInProcess)
        package.submit(write(folder, PAUSING), folder / "run")
    return folder


@pytest.fixture
def run(waiting, tmp_path):
    """A copy of it."""
    shutil.copytree(waiting, tmp_path / "here")
    return tmp_path / "here" / "run"


@pytest.fixture
def ids(run):
    return [frame.info["id"] for frame in waiting_frames(run)]


def decided(run):
    return decisions(Journal(run / "journal.jsonl").read())


def test_the_page_and_the_status_tell_what_to_do_by_the_name_of_the_run(run):
    strange = run.rename(run.with_name("Größe von Kupfer"))
    words = "6 chosen frames in review/frames.extxyz of the run wait to be looked at: pfd approve"
    assert f"{words} '{strange}' shows them" in status_of(strange)["error"]
    ending = report_page(strange).partition('<p class="ending waiting">')[2].partition("</p>")[0]
    assert ending.startswith(f"Waiting for you: {words} &#39;{strange.name}&#39; shows them")


def test_only_looking_decides_nothing(run, ids, capsys):
    approve_and_show(run, [], everything=False, as_json=False)
    said = capsys.readouterr().out
    assert "6 frames to be labelled" in said
    assert all(name in said for name in ids)
    assert "finetune iteration 000" in said
    assert "finetune test" in said
    assert "…" not in said
    assert "temperature" in said
    assert "largest" in said
    assert "s(stage)-g(group)-x(structure)" in said
    assert decided(run) == {}
    approve_and_show(run, [], everything=False, as_json=True)
    frames = json.loads(capsys.readouterr().out)["frames"]
    assert [frame["id"] for frame in frames] == ids
    assert [frame["gain_nats"] is not None for frame in frames] == [True] * 4 + [False] * 2
    assert frames[0]["temperature_K"] == 400


@pytest.mark.parametrize(
    ("words", "struck"),
    [(["1"], [0]), (["2-4"], [1, 2, 3]), (["1,6", "2"], [0, 1, 5]), (["ID3"], [3]), (["id4", "5"], [4])],
)
def test_words_name_frames(run, ids, words, struck):
    named = [{"ID3": ids[3], "id4": ids[4][:8]}.get(word, word) for word in words]
    approve_and_show(run, named, everything=False, as_json=False)
    assert decided(run) == {name: index not in struck for index, name in enumerate(ids)}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("0", "1 to 6"),
        ("7", "1 to 6"),
        ("4-2", "1 to 6"),
        ("5-9", "1 to 6"),
        ("xyz", "no frame 'xyz'"),
        ("f", "no frame"),
    ],
)
def test_words_that_name_nothing_are_refused(run, word, said):
    with pytest.raises(SettingError, match=said):
        approve_and_show(run, ["1", word], everything=False, as_json=False)
    assert decided(run) == {}


def test_a_beginning_of_several_ids_names_none(run, monkeypatch):
    monkeypatch.setattr("pfd.cli.approve.STEM_DIGITS", 1)
    with pytest.raises(SettingError, match="may be any of"):
        approve_and_show(run, ["f"], everything=False, as_json=False)


def test_all_and_some_exclude_each_other(run):
    with pytest.raises(SettingError, match="leave --all out"):
        approve_and_show(run, ["1"], everything=True, as_json=False)


def test_a_decision_may_be_changed_until_the_run_goes_on(run, ids, capsys):
    approve_and_show(run, ["1"], everything=False, as_json=False)
    assert f"pfd submit {run} goes on" in capsys.readouterr().out
    assert "run: paused (the chosen frames were looked at" not in "\n".join(status_lines(status_of(run)))
    assert status_of(run)["status"] == "paused"
    approve_and_show(run, [], everything=False, as_json=False)
    assert "struck out" in capsys.readouterr().out
    approve_and_show(run, [], everything=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told == {"approved": ids, "struck": [], "approved_again": ids[:1], "next": f"pfd submit {run}"}
    assert all(decided(run).values())
    package.submit(run.parent / "input.yaml", run)
    assert len(list(run.glob("finetune/*/label/*"))) == 6


def test_a_run_on_kubernetes_is_submitted_again(run, capsys):
    (run / "argo").mkdir(exist_ok=True)
    (run / "argo" / "workflow.json").write_text(json.dumps({"workflow": "pfd-x", "settings": {}}))
    approve_and_show(run, [], everything=True, as_json=False)
    assert f"pfd resubmit {run} goes on" in capsys.readouterr().out


@pytest.mark.parametrize(("from_step", "reused"), [(None, None), ("finetune-iter-000-label", "pfd-x")])
def test_of_a_workflow_that_waited_no_step_is_used_again(run, monkeypatch, from_step, reused):
    asked = []
    monkeypatch.setattr("pfd.cli.argo.require_workflow", lambda run: {"workflow": "pfd-x"})
    monkeypatch.setattr("pfd.cli.argo.prepare_for_argo", lambda file, run: (run, None))

    def submit(run, resolved, reuse, until):
        asked.append((reuse, until))
        return {"workflow": "pfd-y", "reused": 0, "phase": "Submitted"}

    monkeypatch.setattr("pfd.workflow.argo.client.submit", submit)
    resubmit_to_argo(run, from_step)
    assert asked == [(reused, from_step)]


def test_where_nothing_waits_there_is_nothing_to_approve(tmp_path):
    run = package.submit(write(tmp_path, FINETUNE), tmp_path / "run", until="select").path
    with pytest.raises(RunError, match=r"the run is paused.*\n.*pause: before_label"):
        approve_and_show(run, [], everything=True, as_json=False)


def test_the_command(run):
    done = CliRunner().invoke(app, ["approve", str(run), "--strike", "2-3"])
    assert done.exit_code == 0
    assert "4 frames approved, 2 struck out" in done.output


def test_submit_says_what_is_waited_for_and_ends_with_4(tmp_path):
    write(tmp_path, PAUSING)
    ended = pfd("submit", "input.yaml", cwd=tmp_path)
    assert ended.returncode == 4, ended.stderr
    assert "waiting (exit code 4): 6 chosen frames" in ended.stdout
    assert "small: waiting (6 chosen frames" in pfd("status", cwd=tmp_path).stdout


def test_the_page_shows_the_waiting_frames_by_their_numbers_and_what_they_cover(run, ids):
    page = report_page(run)
    shown = json.loads(page.split('id="frames-shown">')[1].split("</script>")[0])
    asked = [frame for frame in shown if frame["group"] == "to be approved"]
    assert [frame["id"] for frame in asked] == ids
    assert [frame["title"] for frame in asked] == [f"number {each} of 6" for each in range(1, 7)]
    places = {"finetune test, select", "finetune iteration 0, select"}
    assert {frame["facts"].rpartition("chosen in ")[2] for frame in asked} == places
    assert len({frame["id"] for frame in shown}) == len(shown)
    choice = page.partition("From candidates to labels")[2].partition("</tbody>")[0]
    assert choice.count("Fine-tuning 0") == 1
    assert 'data-h="covered after"' in choice
    assert remarks(page) == {"waits for you": 6, "approved": 0, "struck out": 0}
    approve_and_show(run, ["2"], everything=False, as_json=False)
    assert remarks(report_page(run)) == {"waits for you": 0, "approved": 5, "struck out": 1}


def remarks(page):
    words = page.partition("The frames, in words")[2].partition("</table>")[0]
    return {each: words.count(f"<td>{each}</td>") for each in ("waits for you", "approved", "struck out")}


def test_a_page_is_written_without_the_file_of_the_frames_that_wait(run):
    (run / "review" / "frames.extxyz").unlink()
    assert "Waiting for you" in report_page(run)
