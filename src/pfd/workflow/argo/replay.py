"""The engine that runs nothing: it meets tasks that are not done, and ends the replay with a plan for them.

A campaign is deterministic and never redoes a finished task. So it can be replayed from the start, each time with more
tasks done, until it reaches its end; no second version of the loop is needed where nobody can wait for tasks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfd.config.argo import KINDS, ArgoSettings
from pfd.engines.engine import Observer
from pfd.errors import RunError, TaskFailed
from pfd.json_file import read_json, write_json
from pfd.tasks.folder import TaskFolder
from pfd.workflow.argo.submitted import FOLDER

_KIND_OF = {"pool": "explore", "committee": "predict", "property": "predict"} | {kind: kind for kind in KINDS}


@dataclass(frozen=True)
class Round:
    """Tasks that are run between two replays.

    Attributes:
        name: the place of its first task, as a key: ``finetune-iter-000-explore``.
        kind: the kind of its pods.
        slots: key of each pod within the round -> its task folders, relative to the run folder.
    """

    name: str
    kind: str
    slots: Mapping[str, Sequence[str]]


class RoundPlanned(Exception):
    """The replay has met tasks that are to be run elsewhere first.

    Args:
        folders: the tasks, all of one step.
    """

    def __init__(self, folders: Sequence[TaskFolder]) -> None:
        super().__init__(f"{len(folders)} tasks")
        self.folders = list(folders)


class ReplayEngine:
    """Stands in for an engine while a campaign is replayed.

    Args:
        run: the run folder.
        lost: task folder, relative to the run -> why it came back from its round without a result.
    """

    def __init__(self, run: Path, lost: Mapping[str, str]) -> None:
        self._run, self._lost = run, lost

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """See ``Engine.run``.

        Raises:
            RoundPlanned: if any of them has not been run in a round.
            TaskFailed: if one came back failed for good.
        """
        undone = {os.path.relpath(folder.path, self._run): folder for folder in folders if not folder.done()}
        fresh = [folder for name, folder in undone.items() if name not in self._lost]
        if fresh:
            for folder in fresh:
                folder.forget_failure()
            raise RoundPlanned(fresh)
        for folder in undone.values():
            result = folder.result()
            if result is not None and result.failure is not None and result.failure.kind == "fatal":
                failure = result.failure
                raise TaskFailed(failure.message, where=f"task {folder.name}", exit_code=failure.exit_code)
        return {str(folder.path): self._lost[name] for name, folder in undone.items()}


class Rounds:
    """What the replays of one run know of its rounds, in ``argo/rounds.json`` of the run folder.

    Args:
        run: the run folder.
    """

    def __init__(self, run: Path) -> None:
        self._run, self._file = run, run / FOLDER / "rounds.json"
        content: dict[str, Any] = read_json(self._file) or {}
        self.names: list[str] = content.get("names", [])
        self.lost: dict[str, str] = content.get("lost", {})
        """Task folders that came back without a result, and why."""
        last = content.get("last")
        self.last: Round | None = None if last is None else Round(**last)
        """The round whose tasks are on their way back."""

    def write(self) -> None:
        """Keep it for the next replay."""
        self._file.parent.mkdir(exist_ok=True)
        last = None if self.last is None else vars(self.last)
        write_json(self._file, {"names": self.names, "lost": self.lost, "last": last})

    def returned(self, lost: Mapping[str, str]) -> None:
        """Note that the last round is back, and which of its tasks without a result."""
        self.lost |= lost
        self.last = None

    def plan(self, folders: Sequence[TaskFolder], settings: ArgoSettings) -> Round:
        """Make the next round of these tasks, in groups of the size that the settings ask for.

        Keys are told from the place alone, so that the same run has the same keys when it is submitted again; a place
        that has more than one round (labels in portions) has them numbered.
        """
        places = [os.path.relpath(folder.path.parent, self._run) for folder in folders]
        base = re.sub(r"[^a-z0-9]+", "-", places[0].lower()).strip("-")
        again = sum(name == base or re.fullmatch(f"{base}-again-\\d+", name) is not None for name in self.names)
        name = f"{base}-again-{again}" if again else base
        kind = kind_of(folders[0].task()["step"], places[0])
        size = settings.pod(kind).group_size
        paths = [os.path.relpath(folder.path, self._run) for folder in folders]
        groups = [paths[start : start + size] for start in range(0, len(paths), size)]
        self.last = Round(name, kind, {f"{number:04d}": group for number, group in enumerate(groups)})
        self.names.append(name)
        return self.last


def kind_of(step: str, place: str) -> str:
    """The kind of pods that run tasks of a step; a label in distillation is a prediction of the teacher."""
    if step == "label" and place.startswith("distill"):
        return "predict"
    return _KIND_OF.get(step, "other")


def require_round(found: object, wanted: str) -> None:
    """Refuse task folders of another round.

    Raises:
        RunError
    """
    if found != wanted:
        what = f"the task folders that came back are of round {found!r}, not {wanted!r}"
        raise RunError(what, hint="pfd resubmit starts from the last step that is whole")
