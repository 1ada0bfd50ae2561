"""Ask the interpreter that has dflow: compile, submit, look, download, submit again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pfd.config.argo import KINDS, SECRETS, ArgoSettings, debugging
from pfd.config.reading import ResolvedInput
from pfd.config.resources import ResourceSettings
from pfd.digests import file_digest
from pfd.environments.environment import Environment
from pfd.environments.launch import launch_of
from pfd.errors import MissingError, RunError, error_of
from pfd.json_file import write_json
from pfd.tasks.folder import TaskFolder
from pfd.workflow.argo.graph import GraphRequest, PodSize, plain
from pfd.workflow.argo.parcel import unpack
from pfd.workflow.argo.pod import RUN_FILE
from pfd.workflow.argo.prepare import pack_start
from pfd.workflow.argo.submitted import FOLDER, WORKFLOW_FILE, require_workflow
from pfd.workflow.decisions import keep_decisions
from pfd.workflow.driver_lock import driver_lock
from pfd.workflow.journal import Journal
from pfd.workflow.published import take_published
from pfd.workflow.review import FOLDER as REVIEW
from pfd.workflow.run_folder import task_folders

NAME, PACKAGES, MODULES = "argo", ("pydflow==1.8.134",), ("dflow",)
LOG_FILE, JOURNAL = "server.log", "journal.jsonl"


def environment() -> Environment:
    """The environment of dflow, which pins packages that exclude those of others."""
    return Environment(NAME, PACKAGES)


def require_secrets(settings: ArgoSettings) -> None:
    """Refuse to submit without the keys of the storage, or the word for Bohrium.

    Raises:
        MissingError: naming the environment variables.
    """
    if debugging():
        return
    wanted = ["access_key", "secret_key"] if settings.bohrium is None else ["password"]
    missing = [SECRETS[name] for name in wanted if not os.environ.get(SECRETS[name])]
    if settings.bohrium is not None and os.environ.get(SECRETS["ticket"]):
        missing = []
    if missing:
        what = f"{' and '.join(missing)} not set: no file may be put into the storage"
        raise MissingError(what, hint=f"export {missing[0]}=... in the shell; never in the input")


def compile_graph(resolved: ResolvedInput) -> dict[str, Any]:
    """The workflow of an input as plain data, checked; no server is asked.

    Raises:
        MissingError: if dflow is nowhere.
        RunError: if what was compiled cannot work.
    """
    request = _request(resolved, "start")
    content: dict[str, Any] = _ask("compile", {"request": plain(request)}, None)["workflow"]
    return content


def submit(run: Path, resolved: ResolvedInput, reuse: str | None = None, until: str | None = None) -> dict[str, Any]:
    """Upload the run folder and submit the workflow.

    Args:
        run: the run folder, with all files of the input kept in it.
        resolved: the input.
        reuse: workflow whose finished steps are used again.
        until: key of the first step of it that is done anew.

    Returns:
        ``workflow``, its name, and ``reused``, how many steps are.
    """
    require_secrets(resolved.input.argo)
    start = run / FOLDER / "start"
    pack_start(run, start)
    request = _request(resolved, file_digest(start / RUN_FILE)[:12])
    given = {"request": plain(request), "start": str(start), "reuse": reuse, "until": until}
    try:
        answer = _ask("submit", given, run)
    finally:
        if not debugging():
            shutil.rmtree(start)
    note_workflow(run, answer["workflow"], resolved.input.argo.model_dump(mode="json"))
    return answer


def note_workflow(run: Path, name: str, settings: dict[str, Any]) -> None:
    """Write down as which workflow a run was submitted.

    Args:
        run: the run folder.
        name: of the workflow.
        settings: section ``argo`` of the input.
    """
    (run / FOLDER).mkdir(exist_ok=True)
    write_json(run / FOLDER / WORKFLOW_FILE, {"workflow": name, "settings": settings})


def find(name: str, settings: dict[str, Any]) -> str:
    """The phase of a workflow, by its name and the section ``argo`` of its input.

    Raises:
        TransientError: if the server does not answer, or has none of that name.
    """
    return str(_ask("status", {"workflow": name, "settings": settings}, None)["phase"])


def status(run: Path) -> dict[str, Any]:
    """``phase`` of a run's workflow, and its ``steps`` with key and phase, oldest first."""
    return _ask("status", require_workflow(run), run)


def stop(run: Path) -> str:
    """Have the server end a run's workflow; returns its name."""
    name: str = _ask("stop", require_workflow(run), run)["workflow"]
    return name


def download(run: Path) -> dict[str, Any]:
    """Bring the run folder up to what the last replay knew.

    What is done here stays; all else is as it was there.

    Returns:
        ``phase`` of the workflow, and ``after``, the key of the replay.
    """
    given, run = require_workflow(run), run.resolve()
    with driver_lock(run), tempfile.TemporaryDirectory(dir=run, prefix=".download-") as folder:
        came, there = Path(folder) / "came", Path(folder) / "run"
        came.mkdir()
        answer = _ask("download", {**given, "to": str(came)}, run)
        unpack(next(came.iterdir()), there)
        _merge(there, run)
    return answer


def _merge(there: Path, run: Path) -> None:
    """Put a run folder into another one of the same run."""
    for folder in list(task_folders(there)):
        here = TaskFolder(run / folder.path.relative_to(there))
        if not here.done():
            shutil.rmtree(here.path, ignore_errors=True)
            here.path.parent.mkdir(parents=True, exist_ok=True)
            folder.path.rename(here.path)
    take_published(there, run)
    for path in sorted(there.iterdir()):
        if path.name in {"inputs", FOLDER, REVIEW}:
            shutil.copytree(path, run / path.name, dirs_exist_ok=True)
        elif path.is_file():
            if path.name == JOURNAL:
                keep_decisions(Journal(run / JOURNAL).read(), Journal(path))
            path.replace(run / path.name)


def _request(resolved: ResolvedInput, start: str) -> GraphRequest:
    tree = resolved.input
    pods = {kind: _asks_for(tree.argo, tree.resources, kind) for kind in KINDS}
    key = f"pfd/{tree.name}/{start}"
    return GraphRequest(tree.name, tree.argo, pods, (f"{key}/{RUN_FILE}", f"{key}/done"))


def _asks_for(settings: ArgoSettings, resources: ResourceSettings, kind: str) -> PodSize:
    """What one pod of a kind asks for."""
    task, pod = resources.of(kind), settings.pod(kind)
    gpus = task.gpus * pod.pool_size if pod.gpus is None else pod.gpus
    return PodSize(task.cores * pod.pool_size, task.memory_GB * pod.pool_size, gpus)


def _ask(action: str, given: dict[str, Any], run: Path | None) -> dict[str, Any]:
    """Have the other interpreter do something.

    Raises:
        MissingError: if dflow is nowhere.
        PFDError: what it raised.
    """
    launch = launch_of(NAME, PACKAGES, MODULES)
    if launch is None:
        raise MissingError("Argo needs dflow, not installed here", hint="pfd env create argo")
    command = launch.command("-P", "-m", "pfd.workflow.argo.server", action)
    here = str(Path(sys.executable).parent)
    environ = launch.environ(PATH=f"{here}{os.pathsep}{os.environ.get('PATH', '')}")  # debug mode's pods are this pfd's
    content = json.dumps({**given, "folder": None if run is None else str(run / FOLDER)})
    if run is not None:
        (run / FOLDER).mkdir(exist_ok=True)
    log = Path(os.devnull) if run is None else run / FOLDER / LOG_FILE
    with log.open("ab") as stream:
        done = subprocess.run(command, env=environ, input=content.encode(), stdout=-1, stderr=stream, check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    except (IndexError, json.JSONDecodeError) as error:
        what = f"dflow ended without an answer (exit code {done.returncode})"
        raise RunError(what, where=launch.what, hint=f"read {log}; pfd env create argo --anew mends it") from error
    if "error" in answer:
        raise error_of(answer["error"])
    return answer
