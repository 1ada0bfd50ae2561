"""The ssh context for real: an ssh server of our own, Slurm behind it; files go there and come back whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pfd.digests import file_digest
from pfd.engines.hpc.cluster import Cluster
from pfd.engines.hpc.engine import HpcEngine
from pfd.engines.hpc.ssh_files import SshFiles, _take
from pfd.errors import SettingError
from pfd.json_file import read_json, write_json
from pfd.schedulers.settings import ClusterSettings
from pfd.tasks.folder import TaskFolder

from .conftest import claims, quiet, records
from .ssh_server import ssh_server

pytestmark = [pytest.mark.slurm, pytest.mark.ssh, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def server(slurm, tmp_path_factory):
    """Keys of ``resources.cluster``."""
    variables = slurm.environment | {"PATH": os.environ["PATH"]}
    with ssh_server(tmp_path_factory.mktemp("sshd"), variables) as keys:
        yield {"scheduler": "slurm", "python": sys.executable, **keys}


def test_results_come_back_as_they_were_written_and_no_secret_is_written_at_all(
    server, run, labels, tmp_path, monkeypatch
):
    monkeypatch.setenv("PFD_SSH_PASSPHRASE", "open-sesame-4711")
    folders = labels(3, queue="cpu", tasks_per_job=2)
    settings = ClusterSettings(**server, remote_folder=str(tmp_path / "there"))
    cluster = Cluster(settings, run)
    files = SshFiles(cluster)
    engine = HpcEngine(run, cluster, files, 3, lambda name: files.launch(name, None, settings.python))
    assert engine.run(folders, quiet) == {}
    for folder in folders:
        TaskFolder(folder.path).verify()
        assert len(folder.attempts()) == 1
        there = tmp_path / "there" / cluster.root.rpartition("/")[2] / folder.path.relative_to(run)
        assert file_digest(there / "outputs") == file_digest(folder.path / "outputs")
        assert not (folder.path / "attempts" / "00" / "scratch").exists()
    assert {claim["worker"] for folder in folders for claim in claims(folder)} == {job.name for job in records(run)}
    again = HpcEngine(
        run, Cluster(settings, run), SshFiles(Cluster(settings, run)), 3, lambda name: pytest.fail("started")
    )
    assert again.run(folders, quiet) == {}
    cluster.connection.machine.context.close()
    key = Path(server["key_file"]).read_text().splitlines()[2]
    texts = [path.read_bytes() for path in [*run.rglob("*"), *(tmp_path / "there").rglob("*")] if path.is_file()]
    assert len(texts) > 10
    assert not any(b"open-sesame-4711" in text or key.encode() in text for text in texts)
    submission = read_json(next((run / "submissions").glob("0*")) / "submission.json")
    assert submission["cluster"]["key_file"] == server["key_file"]


def test_what_came_back_damaged_is_no_result(labels, tmp_path):
    folder = labels(1)[0]
    fetched = tmp_path / "fetched"
    (fetched / "outputs").mkdir(parents=True)
    (fetched / "outputs" / "a.txt").write_text("cut")
    write_json(fetched / "result.json", {"status": "done", "outputs": {"a.txt": "0" * 64}})
    assert not _take(fetched, folder)
    assert not folder.done()
    write_json(
        fetched / "result.json", {"status": "done", "outputs": {"a.txt": file_digest(fetched / "outputs" / "a.txt")}}
    )
    assert _take(fetched, folder)
    assert folder.done()


def test_a_wrong_key_is_told(server, run, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    keys = server | {"key_file": str(tmp_path / "other")}
    with pytest.raises(SettingError, match="cannot be reached by ssh as root: Authentication failed") as raised:
        _ = Cluster(ClusterSettings(**keys, remote_folder=str(tmp_path / "there")), run).connection.machine
    assert "ssh -p" in raised.value.hint
