"""Files by ssh: task folders and inputs go to another machine, results come back and are held to their digests."""

from __future__ import annotations

import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pfd.digests import file_digest, json_digest
from pfd.engines.hpc.cluster import Cluster
from pfd.engines.hpc.shared_files import TAIL
from pfd.engines.hpc.submission import Submission
from pfd.environments.launch import EnvironmentSettings, Launch, launch_of
from pfd.environments.source import source_folder
from pfd.errors import TaskFailed
from pfd.json_file import read_json
from pfd.tasks.folder import Result, TaskFolder

SENT = ".sent"
"""Folder there with one empty file for everything that arrived whole."""
TRIES = 3


class SshFiles:
    """See ``shared_files.Files``; the run folder has the same paths inside on both machines.

    Args:
        cluster: where jobs are submitted.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._run = cluster, cluster.run
        self._sent: set[str] = set()

    def path_of(self, path: Path) -> str:
        """See ``Files``."""
        return f"{self._cluster.root}/{path.resolve().relative_to(self._run.resolve())}"

    def send(self, folders: Sequence[TaskFolder]) -> None:
        """See ``Files``; an input travels once, and what says that it is there is written when it is."""
        self._sent |= set(self._say(f"mkdir -p {SENT} && ls {SENT}").split())
        there, inputs = [], {}
        for folder in folders:
            place = self._place(folder.path)
            there += [f"{place}/task.json", *(self._place(path) for path in folder.path.glob("attempts/*/ended.json"))]
            for name, entry in folder.task()["inputs"].items():
                path = self._place(folder.input(name).path)
                inputs[json_digest({"path": path, "sha256": entry["sha256"]})[:24]] = path
        new = {mark: path for mark, path in inputs.items() if mark not in self._sent}
        self._upload(self._run, [*new.values(), *there], self._cluster.root, [f"{SENT}/{mark}" for mark in new])
        for folder in folders:  # an earlier failure says nothing about the next attempt
            result = shlex.quote(f"{self._place(folder.path)}/result.json")
            self._say(f"""grep -qs '"status": "done"' {result} || rm -f {result}""")

    def fetch(self, folders: Sequence[TaskFolder]) -> None:
        """See ``Files``; a result that is not what the task wrote is fetched again.

        Raises:
            TaskFailed: if it never comes whole.
        """
        for _ in range(TRIES):
            left = [folder for folder in folders if not folder.done()]
            if not left or self._fetch_once(left):
                return
        what = "results do not come back as they were written"
        raise TaskFailed(what, where=str(left[0].path), hint="look at the connection and the disks, then submit again")

    def names(self, submission: Submission) -> set[str]:
        """See ``Files``."""
        return set(self._say(f"ls -A {shlex.quote(submission.place)}").splitlines())

    def text(self, submission: Submission, name: str) -> str:
        """See ``Files``."""
        return self._say(f"tail -c {TAIL} {shlex.quote(f'{submission.place}/{name}')} 2>/dev/null || true")

    def reserve(self, submission: Submission, name: str) -> bool:
        """See ``Files``."""
        place = shlex.quote(submission.place)
        return self._code(f"mkdir -p {place} && mkdir {place}/{name} 2>/dev/null") == 0

    def remove(self, submission: Submission, name: str) -> None:
        """See ``Files``."""
        self._code(f"rmdir {shlex.quote(f'{submission.place}/{name}')} 2>/dev/null")

    def age_s(self, submission: Submission, name: str) -> float:
        """See ``Files``."""
        path = shlex.quote(f"{submission.place}/{name}")
        said = self._say(f"echo $(( $(date +%s) - $(stat -c %Y {path} 2>/dev/null || date +%s) ))")
        return float(said.strip() or 0.0)

    @cached_property
    def source(self) -> str:
        """Where this pfd is on the other machine; it is copied there once for each version of its files."""
        folder = source_folder()
        names = [path.name for path in sorted(folder.iterdir())]
        files = [file for name in names for file in _files_of((folder / name).resolve())]
        digest = json_digest([[file.name, file_digest(file)] for file in files])[:16]
        parent = self._cluster.root.rpartition("/")[0]
        target = f"{parent}/pfd-source-{digest}"
        if self._code(f"test -e {shlex.quote(target)}/{SENT}") != 0:
            self._upload(folder, names, target, [SENT])
        return target

    def launch(self, name: str, told: EnvironmentSettings | None, python: str) -> Launch:
        """How tasks of a family are started there.

        Args:
            name: the family; empty for tasks of none.
            told: the input's word on it.
            python: the interpreter where it says none.
        """
        own = (("PYTHONPATH", self.source), ("PYTHONNOUSERSITE", "1"))
        launch = launch_of(name, (), (), told) if told is not None else None
        if launch is None:
            return Launch(python, (), own)
        return replace(launch, variables=own if launch.variables else ())

    def _place(self, path: Path) -> str:
        return str(path.resolve().relative_to(self._run.resolve()))

    def _upload(self, folder: Path, names: Iterable[str], target: str, marks: Iterable[str]) -> None:
        """Pack files and folders, bring them over, unpack them, and only then say so."""
        context = self._cluster.connection.context(".")
        with tempfile.NamedTemporaryFile(suffix=".tar.gz") as packed:
            with tarfile.open(packed.name, "w:gz", compresslevel=1, dereference=True) as archive:
                for name in names:
                    archive.add(folder / name, name, filter=_without_caches)
            self._say(f"mkdir -p {shlex.quote(target)}")
            there = f"{target}/.upload.tar.gz"
            context.ssh_session.put(packed.name, there)
        touch = " ".join(shlex.quote(mark) for mark in marks)
        self._say(
            f"cd {shlex.quote(target)} && tar xzf .upload.tar.gz && rm .upload.tar.gz"
            + (f" && touch {touch}" if touch else "")
        )

    def _fetch_once(self, folders: Sequence[TaskFolder]) -> bool:
        places = [self._place(folder.path) for folder in folders]
        parts = " ".join(
            shlex.quote(f"{place}/{part}") for place in places for part in ("attempts", "outputs", "result.json")
        )
        there = f"{self._cluster.root}/.download.tar.gz"
        exclude = "--exclude='*/attempts/*/scratch' --exclude='*/attempts/*/outputs' --exclude='*/attempts/.new-*'"
        self._say(
            f"tar czf {shlex.quote(there)} --ignore-failed-read {exclude} $(ls -d {parts} 2>/dev/null) -T /dev/null"
        )
        with tempfile.TemporaryDirectory(dir=self._run / "submissions", prefix=".fetched-") as inside:
            context = self._cluster.connection.context(".")
            packed = Path(inside) / "all.tar.gz"
            context.ssh_session.get(there, str(packed))
            with tarfile.open(packed) as archive:
                archive.extractall(inside, filter="data")
            whole = [_take(Path(inside) / place, folder) for place, folder in zip(places, folders, strict=True)]
        return all(whole)

    def _say(self, command: str) -> str:
        """Run a command in the run's folder there, which must succeed."""
        code, output, error = self._cluster.connection.shell(f"cd {shlex.quote(self._cluster.root)} && {command}")
        if code != 0:
            where = f"{self._cluster.settings.host}:{self._cluster.root}"
            raise TaskFailed(f"a command failed there: {error.strip() or command}", where=where, hint="submit again")
        return output

    def _code(self, command: str) -> int:
        return self._cluster.connection.shell(f"cd {shlex.quote(self._cluster.root)} && {command}")[0]


def _take(fetched: Path, folder: TaskFolder) -> bool:
    """Put what came back in its place, the result last; False if outputs are not what the result says of them."""
    content = read_json(fetched / "result.json")
    outputs = Result.model_validate(content).outputs if isinstance(content, dict) else {}
    for name, digest in outputs.items():
        path = fetched / "outputs" / name
        if not path.exists() or file_digest(path) != digest:
            return False
    if (fetched / "attempts").is_dir():
        shutil.copytree(fetched / "attempts", folder.path / "attempts", dirs_exist_ok=True)
    if content is not None:
        if outputs:
            shutil.rmtree(folder.path / "outputs", ignore_errors=True)
            shutil.move(fetched / "outputs", folder.path / "outputs")
        shutil.move(fetched / "result.json", folder.path / "result.json")
    return True


def _files_of(path: Path) -> list[Path]:
    """A file, or all files below a folder but caches, in order."""
    inside = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return [each for each in inside if "__pycache__" not in each.parts]


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
