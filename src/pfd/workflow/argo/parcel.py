"""Parcels: task folders with their inputs on the way to a pod, and task folders on the way back, each a tar file."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pfd.errors import RunError
from pfd.json_file import read_json, write_json
from pfd.tasks.folder import TaskFolder
from pfd.workflow.argo.replay import Round, require_round

ROUND_FILE, SHARED, SLOT_FILE = "round.json", "shared.tar", "slot.json"


def pack(target: Path, root: Path, paths: Iterable[str]) -> None:
    """Write files and folders into a tar file.

    Args:
        target: the tar file.
        root: what the paths are relative to.
        paths: what goes into it, relative to the root.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w") as tar:
        for path in sorted(set(paths)):
            tar.add(root / path, arcname=path)


def unpack(source: Path, root: Path, within: Sequence[str] | None = None) -> None:
    """Read a tar file.

    Args:
        source: the tar file.
        root: the folder that it is unpacked into.
        within: the only folders, relative to the root, that anything may lie in; all if not given.

    Raises:
        RunError: if it is cut short, or holds something else than files and folders at such places.
    """
    allowed = None if within is None else [PurePosixPath(folder) for folder in within]
    try:
        with tarfile.open(source) as tar:
            for member in tar.getmembers():
                path = PurePosixPath(member.name)
                if not (member.isfile() or member.isdir()) or path.is_absolute() or ".." in path.parts:
                    raise RunError(f"holds {member.name!r}, which is no file of a run", where=source.name)
                if allowed is not None and not any(path.is_relative_to(folder) for folder in allowed):
                    raise RunError(f"holds {member.name!r}, which is none of its tasks", where=source.name)
            tar.extractall(root, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise RunError(f"is damaged: {error}", where=source.name) from error


def send(run: Path, planned: Round, to: Path, told: Mapping[str, Any]) -> None:
    """Write the parcels of a round: ``SLOT.tar`` for each pod, and ``shared.tar`` with what several of them need.

    A parcel is a part of the run folder: everything lies where it lies there.

    Args:
        run: the run folder.
        planned: the round.
        to: folder for the parcels.
        told: what each pod is to know besides its tasks.

    Raises:
        RunError: if a task needs a file that is not in the run folder.
    """
    needed = {slot: set(_inputs(run, tasks)) for slot, tasks in planned.slots.items()}
    count = Counter(path for paths in needed.values() for path in paths)
    shared = {path for path, pods in count.items() if pods > 1}
    pack(to / SHARED, run, shared)
    for slot, tasks in planned.slots.items():
        slip = run / SLOT_FILE
        write_json(slip, {"tasks": list(tasks), **told})
        pack(to / f"{slot}.tar", run, [*tasks, *(needed[slot] - shared), SLOT_FILE])
        slip.unlink()


def _inputs(run: Path, tasks: Sequence[str]) -> Iterable[str]:
    for name in tasks:
        folder = TaskFolder(run / name)
        for entry in folder.task()["inputs"]:
            path = os.path.relpath(folder.input(entry).path, run.resolve())
            if path.startswith(".."):
                what = f"input {entry!r} lies outside of the run folder, where no pod sees it: {path}"
                raise RunError(what, where=name, hint="name the file in the input, so that it is kept in the run")
            yield path


def send_back(run: Path, slot: str, tasks: Sequence[str], to: Path) -> None:
    """Write the parcel that brings the tasks of a pod back."""
    pack(to / f"{slot}.tar", run, tasks)


def receive(run: Path, planned: Round, came: Path) -> dict[str, str]:
    """Put the task folders of a round into the run; what is not whole is left out.

    Args:
        run: the run folder.
        planned: the round.
        came: folder with ``round.json`` and the parcels that came back.

    Returns:
        Task folder -> why it is without a result.

    Raises:
        RunError: if they are of another round.
    """
    content = read_json(came / ROUND_FILE)
    require_round(content.get("round") if isinstance(content, dict) else None, planned.name)
    lost: dict[str, str] = {}
    for slot, tasks in planned.slots.items():
        parcel = came / f"{slot}.tar"
        if not parcel.is_file():
            lost |= dict.fromkeys(tasks, f"nothing came back from its pod (key {planned.name}-{slot}; read its log)")
            continue
        opened = run / ".parcel"
        try:
            opened.mkdir()
            unpack(parcel, opened, tasks)
        except RunError as error:
            lost |= dict.fromkeys(tasks, f"what came back from its pod {error}")
        else:
            lost |= {name: why for name in tasks if (why := _take(run, opened, name))}
        finally:
            shutil.rmtree(opened)
    return lost


def _take(run: Path, opened: Path, name: str) -> str:
    """Put one task folder into the run if it is whole; say why it is without a result, or nothing if it has one."""
    came, wanted = TaskFolder(opened / name), TaskFolder(run / name).task()["identity"]
    if not came.readable() or came.task()["identity"] != wanted:
        return "what came back from its pod is another task"
    try:
        came.verify()
    except RunError as error:
        return f"what came back from its pod is damaged: {error.what}"
    shutil.rmtree(run / name)
    came.path.rename(run / name)
    if came.done():
        return ""
    back = TaskFolder(run / name)
    if (attempts := back.attempts()) and not (attempts[-1] / "ended.json").is_file():
        back.end_attempt(attempts[-1], "its pod has ended", counted=True)
    ended = back.counted_attempts()
    return f"{len(ended)} attempts, the last: {ended[-1]}" if ended else "its pod ended before it was begun"
