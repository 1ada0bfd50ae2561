"""What is refused before anything is submitted, and what a run folder takes along; the pods' command line."""

from __future__ import annotations

import json
import tarfile

import pytest
from tests.workflow.conftest import EXAMPLE

from pfd.cli.argo import submit_to_argo
from pfd.cli.engine import refuse_for_argo, require_engine
from pfd.cli.plan import PlanOptions, plan_and_show
from pfd.config.reading import read_input
from pfd.errors import MissingError, RunError, SettingError, TransientError
from pfd.json_file import write_json
from pfd.workflow.argo import client, pod
from pfd.workflow.argo.advance import ALL_AT_ONCE, on_cluster
from pfd.workflow.argo.graph import GraphRequest, PodSize, plain, request_of, workflow_name
from pfd.workflow.argo.parcel import pack, receive, send, unpack
from pfd.workflow.argo.prepare import check_for_argo, named_files, pack_start
from pfd.workflow.argo.replay import FOLDER, Round


@pytest.fixture
def unsubmitted(monkeypatch):
    """A test in which nothing may be asked of dflow."""
    monkeypatch.setattr(client, "_ask", lambda *_: pytest.fail("dflow was asked"))
    monkeypatch.setenv("DFLOW_S3_ACCESS_KEY", "a")
    monkeypatch.setenv("DFLOW_S3_SECRET_KEY", "b")


@pytest.mark.usefixtures("unsubmitted")
@pytest.mark.parametrize(
    "act", [lambda path: submit_to_argo(path, None), lambda path: plan_and_show(path, (), PlanOptions("argo"))]
)
def test_a_missing_image_is_refused_by_its_key_before_anything(act, mini, write_input, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mini["argo"] = {"image": None, **{kind: {"image": "x"} for kind in ("advance", "explore", "label", "predict")}}
    with pytest.raises(SettingError, match=r"no image for the pods of train, select, other") as caught:
        act(write_input(mini))
    assert "argo.image" in str(caught.value)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "mini").exists()
    mini["argo"] |= {kind: {"image": "x"} for kind in ("select", "other")}
    with pytest.raises(SettingError, match=r"argo\.train\.image"):
        act(write_input(mini))


@pytest.mark.usefixtures("unsubmitted")
def test_storage_without_keys_is_refused_by_the_variable(mini, write_input, monkeypatch):
    monkeypatch.delenv("DFLOW_S3_SECRET_KEY")
    with pytest.raises(MissingError, match="DFLOW_S3_SECRET_KEY not set") as caught:
        submit_to_argo(write_input(mini), None)
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("unsubmitted")
def test_bohrium_wants_its_password_or_ticket(mini, write_input, monkeypatch):
    mini["argo"]["bohrium"] = {"username": "me", "project_id": 1}
    settings = read_input(write_input(mini)).input.argo
    with pytest.raises(MissingError, match="BOHRIUM_PASSWORD"):
        client.require_secrets(settings)
    monkeypatch.setenv("BOHRIUM_TICKET", "t")
    client.require_secrets(settings)


@pytest.mark.usefixtures("unsubmitted")
def test_what_a_workflow_cannot_do_is_refused(mini, write_input):
    with pytest.raises(SettingError, match="--until"):
        refuse_for_argo(until="select", detach=False)
    mini["finetune"]["label"] = {"method": "external", "level": "PBE"}
    with pytest.raises(SettingError, match="nobody to wait for"):
        check_for_argo(read_input(write_input(mini)))
    with pytest.raises(SettingError, match="no engine 'k8s'"):
        require_engine("k8s")
    with pytest.raises(SettingError, match="--engine argo"):
        plan_and_show(write_input(mini), (), PlanOptions("local", EXAMPLE / "x.yaml"))


def test_without_dflow_the_command_that_brings_it_is_named(mini, write_input, monkeypatch, tmp_path):
    monkeypatch.setenv("PFD_ENVIRONMENTS", str(tmp_path / "none"))
    monkeypatch.setattr(client, "MODULES", ("no_such_module",))
    with pytest.raises(MissingError, match="pfd env create argo"):
        client.compile_graph(read_input(write_input(mini)))


def test_more_cores_than_this_machine_has_are_no_matter(graph, mini):
    mini["resources"] = {"label": {"cores": 4096}}
    assert graph(mini).turn()


def test_every_file_that_the_input_names_is_kept(mini, write_input, tmp_path):
    for name in ("data.extxyz", "pool.extxyz", "test.extxyz", "stored.extxyz"):
        (tmp_path / name).touch()
    mini["data"] = [{"file": "data.extxyz"}]
    mini["evaluate"]["test_file"] = "test.extxyz"
    mini["finetune"]["explore"] = [[*mini["finetune"]["explore"][0], {"method": "pool", "file": "pool.extxyz"}]]
    mini["finetune"]["label"] = {"method": "stored", "files": ["stored.extxyz"]}
    found = {path.name for path in named_files(read_input(write_input(mini)))}
    assert found == {"Cu.cif", "data.extxyz", "pool.extxyz", "test.extxyz", "stored.extxyz"}


def test_the_start_leaves_the_submitters_own_files_here(tmp_path):
    run = tmp_path / "run"
    (run / FOLDER).mkdir(parents=True)
    (run / FOLDER / "workflow.json").touch()
    for name in ("lock", "run.json", "report.html"):
        (run / name).touch()
    pack_start(run, tmp_path / "start")
    with tarfile.open(tmp_path / "start" / "run.tar") as tar:
        assert tar.getnames() == ["run.json"]
    assert json.loads((tmp_path / "start" / "done" / "round.json").read_text()) == {"round": "start"}


def test_a_link_in_a_parcel_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        link = tarfile.TarInfo("a/outputs")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(RunError, match="no file of a run"):
        unpack(tmp_path / "x.tar", tmp_path / "out", ["a"])


def test_an_input_outside_of_the_run_folder_is_refused(tmp_path):
    task = tmp_path / "run" / "a" / "b" / "c" / "0000-x"
    task.mkdir(parents=True)
    (tmp_path / "frames").touch()
    entry = {"path": "../../../../../frames", "sha256": "0"}
    write_json(task / "task.json", {"identity": "0", "inputs": {"frames": entry}})
    planned = Round("a-b-c", "other", {"0000": ["a/b/c/0000-x"]})
    with pytest.raises(RunError, match="input 'frames' lies outside"):
        send(tmp_path / "run", planned, tmp_path / "to", {})


def test_a_task_that_was_never_begun_says_so(tmp_path):
    run, name = tmp_path / "run", "a/b/c/0000-x"
    (run / name).mkdir(parents=True)
    write_json(run / name / "task.json", {"identity": "0", "inputs": {}})
    pack(tmp_path / "came" / "0000.tar", run, [name])
    write_json(tmp_path / "came" / "round.json", {"round": "r"})
    lost = receive(run, Round("r", "other", {"0000": [name]}), tmp_path / "came")
    assert lost == {name: "its pod ended before it was begun"}


def test_a_pod_tells_its_error_by_words_and_exit_code(tmp_path, capsys):
    (tmp_path / "run.tar").write_bytes(b"no tar")
    assert pod.main(["advance", str(tmp_path / "run.tar"), str(tmp_path), str(tmp_path / "out"), "place"]) == 2
    assert "RunError: run.tar: is damaged" in capsys.readouterr().err


def test_a_cluster_has_cores_enough_unless_the_input_caps_them(mini, write_input):
    def cores(**resources):
        return on_cluster(read_input(write_input(mini | {"resources": resources}))).input.resources.machine_cores()

    assert cores() == ALL_AT_ONCE
    assert cores(cores=7) == 7
    mini["argo"]["parallelism"] = 5
    assert cores(label={"cores": 4}) == 20


def test_names_of_workflows():
    assert workflow_name("My_Run.2") == "pfd-my-run-2"
    assert len(workflow_name("a" * 100)) <= 50


def test_a_request_survives_the_way_to_another_interpreter(mini, write_input):
    resolved = read_input(write_input(mini))
    request = GraphRequest("mini", resolved.input.argo, {"label": PodSize(4, 8.0, 1)}, ("a", "b"))
    assert request_of(plain(request)) == request


def test_a_run_that_was_never_submitted_to_argo_is_told(tmp_path):
    with pytest.raises(RunError, match="no workflow on Argo is known"):
        client.download(tmp_path)


@pytest.mark.argo
def test_a_server_that_does_not_answer_is_named_and_no_secret_is(tmp_path, monkeypatch):
    monkeypatch.setenv("DFLOW_TOKEN", "planted-word")
    settings = {"image": "x", "host": "http://127.0.0.1:9"}
    (tmp_path / FOLDER).mkdir()
    write_json(tmp_path / FOLDER / "workflow.json", {"workflow": "pfd-x", "settings": settings})
    with pytest.raises(TransientError, match=r"no answer from 127\.0\.0\.1:9") as caught:
        client.status(tmp_path)
    assert caught.value.exit_code == 1
    assert "planted-word" not in str(caught.value) + (tmp_path / FOLDER / "server.log").read_text()
