"""What is asked of Argo's server, heard by a stand-in of it; and what pods ask of the cluster."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from tests.workflow.argo.conftest import MINI
from tests.workflow.conftest import EXAMPLE

from pfd.cli.stop import stop_and_say
from pfd.config.reading import read_input
from pfd.errors import TransientError
from pfd.json_file import write_json
from pfd.workflow.argo import client
from pfd.workflow.argo.submitted import FOLDER, WORKFLOW_FILE
from pfd.workflow.run_folder import take_folder

pytestmark = [pytest.mark.argo, pytest.mark.slow]


@pytest.fixture
def server():
    """A server that answers every request with an empty object, and notes it."""
    heard = []

    class Answer(BaseHTTPRequestHandler):
        def do_PUT(self):
            heard.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", heard
        http.shutdown()


@pytest.fixture
def run(tmp_path):
    take_folder(tmp_path / "run", "mini")
    return tmp_path / "run"


def submitted(run, host):
    (run / FOLDER).mkdir()
    write_json(run / FOLDER / WORKFLOW_FILE, {"workflow": "mini-abcde", "settings": {"host": host, "image": "x"}})


def test_stop_ends_the_workflow(run, server, capsys):
    host, heard = server
    submitted(run, host)
    assert stop_and_say(run, 1.0) == 0
    assert heard == ["/api/v1/workflows/argo/mini-abcde/terminate"]
    assert "mini-abcde ends" in capsys.readouterr().out


def test_a_server_that_does_not_answer_has_not_stopped_anything(run):
    submitted(run, "http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"no answer from 127\.0\.0\.1:9"):
        stop_and_say(run, 1.0)


def test_pods_ask_for_what_their_tasks_use(tmp_path):
    (tmp_path / "Cu.cif").write_bytes((EXAMPLE / "Cu.cif").read_bytes())
    argo = {"image": "x", "train": {"pool_size": 2, "group_size": 2}, "predict": {"gpus": 0}}
    resources = {"train": {"gpus": 1, "cores": 3}, "predict": {"gpus": 1}, "other": {"memory_GB": 7.0}}
    source = Path(tmp_path / "input.yaml")
    source.write_text(yaml.safe_dump(MINI | {"argo": argo, "resources": resources}))
    workflow = client.compile_graph(read_input(source))
    asked = {each["name"]: each["script"]["resources"] for each in workflow["spec"]["templates"] if "script" in each}
    assert asked["pfd-train"]["limits"]["nvidia.com/gpu"] == "2"
    assert asked["pfd-train"]["requests"]["cpu"] == "6"
    assert "nvidia.com/gpu" not in asked["pfd-predict"]["limits"]
    assert "nvidia.com/gpu" not in asked["pfd-advance"]["limits"]
    assert asked["pfd-other"]["requests"]["memory"] == "7000M"
