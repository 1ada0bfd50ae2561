"""``python -m pfd.workflow.argo.pod``: what runs in a pod of the Argo graph; it needs pfd's core, and no dflow."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pfd.engines.engine import Progress
from pfd.engines.local import LocalEngine
from pfd.environments.launch import HERE, EnvironmentSettings, Launch
from pfd.errors import PFDError
from pfd.json_file import read_json, write_json
from pfd.models.environment import launch_for
from pfd.models.training import make_family
from pfd.tasks.folder import TaskFolder
from pfd.tasks.runner import NO_RESULT
from pfd.workflow.argo.parcel import ROUND_FILE, SHARED, SLOT_FILE, pack, send, send_back, unpack

RUN_FILE = "run.tar"


def advance_in_pod(run: Path, came: Path, place: str, out: Path) -> None:
    """Replay the campaign of the run folder in a parcel, and write all that the graph goes on with.

    Args:
        run: the run folder as a tar file.
        came: what came back of the last round.
        place: where in the storage the tasks of the next round are to come back to.
        out: folder for ``run.tar``, ``tasks``, ``done``, and the parameters ``finished, kind, round, slots, place``.

    Raises:
        PFDError: whatever ended the run; ``run.tar`` is written nevertheless.
    """
    from pfd.workflow.argo.advance import advance

    folder = out / "run"
    unpack(run, folder)
    told: dict[str, Any] = {"finished": "true", "kind": "none", "round": "end", "slots": [], "place": place}
    (out / "tasks").mkdir(parents=True)
    pack(out / "tasks" / SHARED, folder, ())
    try:
        advanced = advance(folder, came)
        if (planned := advanced.planned) is not None:
            told |= {"finished": "false", "kind": planned.kind, "round": planned.name, "slots": list(planned.slots)}
            send(folder, planned, out / "tasks", _slip(folder))
        print(f"{advanced.status}; next: {told['round']}, {len(told['slots'])} pods", flush=True)
    finally:
        pack(out / RUN_FILE, folder, [path.name for path in folder.iterdir()])
        (out / "done").mkdir()
        write_json(out / "done" / ROUND_FILE, {"round": told["round"]})
        for name, value in told.items():
            (out / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def _slip(run: Path) -> dict[str, Any]:
    """What a pod is to know of the input."""
    from pfd.config.reading import read_input

    tree = read_input(run / "input.yaml").input
    environments = {name: each.model_dump(mode="json") for name, each in tree.environments.items()}
    return {"max_attempts": tree.resources.max_attempts, "environments": environments}


def work_in_pod(tasks: Path, shared: Path, slot: str, pool: int, out: Path) -> int:
    """Run the tasks of a parcel, and write the parcel that brings them back.

    Args:
        tasks: the parcel of this pod.
        shared: the parcel of all pods of the round.
        slot: key of the pod within the round.
        pool: tasks that run at once.
        out: folder for what goes back.

    Returns:
        0 if all are done, 3 if some used up their attempts.

    Raises:
        TaskFailed: if a task failed for good; the parcel is written nevertheless.
    """
    run = out / "run"
    unpack(shared, run)
    unpack(tasks, run)
    slip: dict[str, Any] = read_json(run / SLOT_FILE) or {}
    folders = [TaskFolder(run / name) for name in slip["tasks"]]
    asked = [folder.task()["resources"] for folder in folders]
    engine = LocalEngine(
        pool * max(each["cores"] for each in asked),
        pool * max(each["memory_GB"] for each in asked),
        slip["max_attempts"],
        _Launches(slip["environments"]),
    )
    try:
        lost = engine.run(folders, _Log())
    finally:
        send_back(run, slot, slip["tasks"], out / "done")
    for path, message in lost.items():
        print(f"{path}: {message}", flush=True)
    return NO_RESULT if lost else 0


class _Launches:
    """How tasks of a family are started in this image."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = {name: EnvironmentSettings.model_validate(each) for name, each in told.items()}

    def __call__(self, family: str) -> Launch:
        return launch_for(make_family(family), self._told, f"the family {family!r}") if family else HERE


class _Log:
    """A line in the pod's log whenever the number of tasks that have ended changes."""

    def __init__(self) -> None:
        self._ended = -1

    def __call__(self, progress: Progress) -> None:
        ended = progress.done + progress.failed
        if ended != self._ended:
            print(f"{progress.done} of {progress.total} done, {progress.failed} failed", flush=True)
            self._ended = ended


def main(arguments: list[str]) -> int:
    """Run one pod; the exit code is an error's own."""
    parser = argparse.ArgumentParser(prog="python -m pfd.workflow.argo.pod")
    pods = parser.add_subparsers(dest="pod", required=True)
    leads = pods.add_parser("advance")
    for name in ("run", "came", "out"):
        leads.add_argument(name, type=Path)
    leads.add_argument("place")
    works = pods.add_parser("work")
    for name in ("tasks", "shared", "out"):
        works.add_argument(name, type=Path)
    works.add_argument("slot")
    works.add_argument("pool", type=int)
    given = vars(parser.parse_args(arguments))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if given.pop("pod") == "work":
            return work_in_pod(**given)
        advance_in_pod(**given)
    except PFDError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
