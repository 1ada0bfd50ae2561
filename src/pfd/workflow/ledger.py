"""Every first-principles label that was ever begun in a run folder, those of earlier inputs included."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pfd.digests import json_digest
from pfd.frames import labels_of, read_frames
from pfd.tasks.folder import TaskFolder, TaskSpec
from pfd.tasks.steps.labelling import read_record
from pfd.workflow.run_folder import ASIDE

PREFLIGHT_PLACE = "finetune/preflight/label"
"""Where labels with finer settings stand; they cost core hours, and are no labels of the campaign."""
PROPERTIES_PLACE = "finetune/properties"
"""Where labels stand that a physical property is compared with: they cost core hours, and nothing trains on them."""
APART = (PREFLIGHT_PLACE, f"{PROPERTIES_PLACE}/label")
"""Places of labels that are none of the campaign."""
TRIED_WITH = "tried_with"
"""The parameter that tells a further try of a frame from the first one: the settings that it was tried with."""


class Ledger:
    """The label tasks of the fine-tuning loop in one run folder, read anew whenever it is asked.

    Args:
        run: the run folder.
        machine_cores: cores that this machine lends to tasks; a task cannot use more, whatever it asks for.
    """

    def __init__(self, run: Path, machine_cores: int) -> None:
        self._run, self.machine_cores = run, machine_cores

    def folders(self) -> Iterator[TaskFolder]:
        """All label tasks that were begun, however they ended."""
        for path in sorted(self._run.glob("finetune/*/label/[0-9][0-9][0-9][0-9]-*")):
            folder = TaskFolder(path)
            if folder.attempts() and folder.readable():
                folder.verify()
                yield folder

    def begun(self, asked: Collection[str] = ()) -> dict[str, TaskFolder]:
        """Those of the campaign by identity: others (``APART``) are none, unless they are asked for now.

        Args:
            asked: identities of the labels that are wanted: a finer setting may have been adopted.
        """
        found = {folder.task()["identity"]: folder for folder in self.folders()}
        apart = {self._run / place for place in APART}
        return {name: folder for name, folder in found.items() if folder.path.parent not in apart or name in asked}

    def core_seconds(self) -> float:
        """What all of them have cost so far, and those that were set aside to be done anew."""
        return sum(core_seconds(folder, self.machine_cores) for folder in self._paid())

    def finished(self) -> int:
        """How many labels have a result for that cost."""
        return sum(folder.done() for folder in self._paid())

    def _paid(self) -> Iterator[TaskFolder]:
        yield from self.folders()
        for path in sorted(self._run.glob(f"{ASIDE}/*/finetune/*/label/[0-9][0-9][0-9][0-9]-*")):
            folder = TaskFolder(path)
            if folder.attempts() and folder.readable():
                yield folder

    def settle(self, specs: list[TaskSpec], aids: dict[str, Any]) -> list[TaskSpec]:
        """The tasks that label these frames, given what the run folder knows of them.

        A frame with a sound label of this level of theory keeps it, whatever the settings are by now, unless a stress
        is asked for now and was not then (``stress``, where a labeler has such a setting). A frame that the engine
        rejected, or whose task was given up, is tried again, as another task, if the settings have changed since
        (``Labeler.aids``: not commands, paths or acceptance rules). One that was never tried, or is under way, is the
        task that it always was. So the answer depends on the input and the run folder alone.

        Args:
            specs: the tasks as the binding makes them, without ``tried_with``.
            aids: the settings of now.
        """
        tried: dict[str, list[TaskFolder]] = {}
        for folder in self.folders():
            tried.setdefault(frame_and_level(folder), []).append(folder)
        return [_settled(spec, aids, tried.get(spec.identity(), [])) for spec in specs]


def frame_and_level(folder: TaskFolder) -> str:
    """The identity that the task would have as the frame's first try."""
    task = folder.task()
    content = {key: task[key] for key in ("format", "step", "parameters", "inputs")}
    content["parameters"] = {key: value for key, value in task["parameters"].items() if key != TRIED_WITH}
    content["inputs"] = {name: entry["sha256"] for name, entry in task["inputs"].items()}
    return json_digest(content)


def _settled(spec: TaskSpec, aids: dict[str, Any], tried: list[TaskFolder]) -> TaskSpec:
    """One of the tries if it will do, else the first or a further one."""
    ended = [folder for folder in tried if folder.done() or folder.given_up()]
    sound = [folder for folder in ended if folder.done() and _complete(folder, aids)]
    under_way = [folder for folder in tried if folder not in ended]
    same = [folder for folder in ended if _aids_of(folder, aids) == aids]
    for folder in (*sound, *under_way, *same):
        return replace(spec, parameters=folder.task()["parameters"])
    return replace(spec, parameters=spec.parameters | {TRIED_WITH: aids}) if tried else spec


def _complete(folder: TaskFolder, aids: dict[str, Any]) -> bool:
    """Whether a label is sound, and has all that is asked for by now."""
    record = read_record(folder.path / "outputs" / "label")
    if not record.sound or not aids.get("stress") or record.settings.get("stress"):
        return record.sound
    (frame,) = read_frames(folder.path / "outputs" / "label" / "labelled.extxyz")
    return labels_of(frame).stress is not None or not frame.pbc.all()


def _aids_of(folder: TaskFolder, like: dict[str, Any]) -> dict[str, Any]:
    """What a task was tried with: its record says, or its task.json if it has none."""
    if folder.done():
        return read_record(folder.path / "outputs" / "label").settings
    how = folder.task()["how"]
    return {key: how[key] for key in like if key in how}


def core_seconds(folder: TaskFolder, machine_cores: int) -> float:
    """Cost of one task: its result, and all attempts that ended without one.

    The cores are those it asked for, but no more than the machine has, where it is no job of a cluster. An attempt
    without a result lasted from its claim to the note that ended it, or to the last file that it wrote if nobody was
    there to take the note.
    """
    result = folder.result()
    done = result is not None and result.status == "done"
    attempts = folder.attempts()
    asked = folder.task()["resources"]
    most = machine_cores if asked.get("job") is None else asked["cores"]
    if done:
        unended = [attempt for attempt in attempts if not (attempt / "ended.json").is_file()]
        attempts = [attempt for attempt in attempts if attempt not in unended[-1:]]
    total = 0.0
    if result is not None and done:
        total += result.seconds * min(result.cores, most)
    if attempts:
        total += min(asked["cores"], most) * sum(_seconds_without_result(attempt) for attempt in attempts)
    return total


def _seconds_without_result(attempt: Path) -> float:
    claim, ended = attempt / "claim.json", attempt / "ended.json"
    if not claim.is_file():
        return 0.0
    last = ended.stat().st_mtime if ended.is_file() else max(_times(attempt))
    return max(0.0, last - claim.stat().st_mtime)


def _times(folder: Path) -> Iterator[float]:
    """When the files of a folder were last written; files may vanish meanwhile."""
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(parent) / name).stat().st_mtime
            except FileNotFoundError:
                continue
