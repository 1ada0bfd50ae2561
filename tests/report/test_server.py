"""The served page: two paths, read only, to this machine under its own names, and as new as the run."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from pfd.cli.report import report_run
from pfd.errors import RunError, SettingError
from pfd.report.live import LivePage
from pfd.report.server import ReportServer
from pfd.tasks.folder import Result, TaskFolder, TaskSpec
from pfd.workflow.driver_lock import driver_lock
from pfd.workflow.journal import Journal

PLACE = "finetune/iter-000/explore"


@pytest.fixture
def running(tmp_path):
    """A run at its first step: one of two tasks done, with this process for its driver."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"name": "hot", "format": 1}')
    folders = [TaskFolder.create(run / PLACE, n, TaskSpec("explore", {"n": n})) for n in range(2)]
    (folders[0].path / "result.json").write_text(Result(status="done").model_dump_json())
    journal = Journal(run / "journal.jsonl")
    journal.write("submit", version="1", edited=0)
    names = [str(folder.path.relative_to(run)) for folder in folders]
    journal.write("tasks", place=PLACE, step="explore", total=2, pending=names)
    with driver_lock(run):
        yield run


def serving(run):
    server = ReportServer(run, 0)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


@pytest.fixture
def server(running):
    server = serving(running)
    yield server
    server.shutdown()
    server.server_close()


def ask(server, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer, content


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_page_and_the_state_are_served_and_nothing_is_written(server, running):
    before = contents(running)
    answer, page = ask(server)
    assert answer.status == 200
    assert "connect-src &#39;self&#39;" in page
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    _, state = ask(server, "/status.json")
    state = json.loads(state)
    assert f'data-token="{state["token"]}"' in page
    assert "explore: 1 of 2 tasks done" in page  # before any script has asked
    assert state["fraction"] == pytest.approx(0.5)
    assert state["lines"][0].startswith("running")
    assert "finetune iteration 0, explore: 1 of 2 tasks done" in state["lines"]
    assert contents(running) == before


@pytest.mark.parametrize(
    "path",
    ["/report.html", "/summary.json", "/../summary.json", "//x/", "/?x", "/status.json/", "/%2e%2e/x", "*", "/.."],
)
def test_there_are_no_other_paths(server, path):
    answer, content = ask(server, path)
    assert answer.status == 404
    assert "hot" not in content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_nothing_but_looking(server, method):
    answer, content = ask(server, "/", method)
    assert (answer.status, content) == (405, "")
    assert answer.headers["Allow"] == "GET, HEAD"


def test_head_is_get_without_content(server):
    with socket.create_connection(server.server_address, timeout=60) as plain:
        plain.sendall(b"HEAD /status.json HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with plain.makefile("rb") as stream:
            head, _, content = stream.read().partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    assert int(re.search(rb"Content-Length: (\d+)", head)[1]) > 10
    assert content == b""


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "x@127.0.0.1", "", "[::1"]
)
def test_another_name_for_this_machine_is_refused(server, host):
    for path in ("/", "/status.json"):
        answer, content = ask(server, path, Host=host)
        assert answer.status == 421
        assert "hot" not in content


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "LOCALHOST:1"])
def test_a_tunnel_may_use_another_port(server, host):
    assert ask(server, "/status.json", Host=host)[0].status == 200


def test_two_hosts_or_none_are_refused(server):
    for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        with socket.create_connection(server.server_address, timeout=60) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n" + hosts + b"\r\n")
            assert b" 421 " in plain.recv(100)


def test_it_listens_here_only(server):
    assert server.server_address[0] == "127.0.0.1"


def test_another_state_has_another_token(running):
    live = LivePage(running)
    first = live.state()
    assert live.state().token == first.token
    Journal(running / "journal.jsonl").write("said", place=PLACE, words="something")
    Journal(running / "journal.jsonl").write("finished", place=PLACE, step="explore", total=2, done=2)
    assert live.state().token == first.token  # the page says nothing of it
    Journal(running / "journal.jsonl").write("finished", place="x", step="select", total=1, done=1)
    assert live.state().token != first.token  # there are frames to show
    first = live.state()
    (running / "summary.json").write_text('{"status": "converged", "name": "hot"}')
    assert live.state().token != first.token
    Journal(running / "journal.jsonl").write("end", status="converged")
    ended = live.state()
    assert ended.lines[0].startswith("converged")
    assert ended.fraction is None


def test_a_damaged_file_is_told_and_the_server_goes_on(server, running):
    (running / "report-data.json").write_text("[]")
    answer, content = ask(server)
    assert answer.status == 500
    assert "holds no JSON object" in content
    (running / "report-data.json").unlink()
    assert ask(server)[0].status == 200


def test_what_cannot_be_served_is_refused(server, tmp_path):
    with pytest.raises(SettingError, match="cannot listen"):
        ReportServer(tmp_path / "run", server.server_address[1])
    with pytest.raises(RunError, match="no run in this folder"):
        ReportServer(tmp_path, 0)


def test_a_port_without_a_server_is_refused(running):
    with pytest.raises(SettingError, match="no page is served"):
        report_run(running, serve=False, port=8000)
    assert not (running / "report.html").exists()


def test_ctrl_c_ends_it_well(running):
    command = [sys.executable, "-m", "pfd.cli.main", "report", str(running), "--serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    said = process.stdout.readline()
    assert said.startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""


@pytest.mark.chromium
def test_a_browser_follows_the_run(server, running, browser):
    page = browser.open(server.address)
    words = 'document.querySelector("#live p")?.textContent ?? ""'
    page.wait(lambda: "1 of 2 tasks done" in page.js(words))
    assert page.js('document.querySelector("#live progress").value') == pytest.approx(0.5)
    (running / "report-data.json").write_text('{"name": "hot", "seed": 4711}')
    page.wait(lambda: "4711" in page.js('document.body?.textContent ?? ""'))
    assert page.problems == []
    server.shutdown()
    server.server_close()
    page.wait(lambda: "has ended" in page.js(words))
    page.close()
