"""Doing finished or failed tasks of a run anew: what they left is set aside in the run folder, and never deleted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pfd.config.mistakes import nearest
from pfd.errors import RunError, SettingError
from pfd.json_file import read_json
from pfd.tasks.folder import TaskFolder
from pfd.wording import counted, shell_word
from pfd.workflow.failures import failed_tasks
from pfd.workflow.journal import Event, Journal
from pfd.workflow.look import last_word, used_tasks
from pfd.workflow.run_folder import ASIDE, task_folders

LISTED, NOTHING_DONE = 6, "nothing is done yet"


@dataclass(frozen=True)
class Redo:
    """What to do anew; with nothing named, all tasks that have failed.

    Attributes:
        steps: parts of places: a loop (``distill``), an iteration (``finetune/iter-001``), a step of all loops
            (``train``) or of one iteration (``finetune/iter-001/train``).
        tasks: folders of tasks: a path (``finetune/iter-000/label/0003-3fa9c1d2ab10``), its end
            (``label/0003-3fa9c1d2ab10``), or the beginning of its name (``0003``) or of its identity (``3fa9``).
        rejected: the labels that were rejected.
    """

    steps: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    rejected: bool = False

    def find(self, run: Path) -> list[TaskFolder]:
        """The task folders that are meant.

        Raises:
            SettingError: if one of the names fits nothing, or more than one task.
            RunError: if nothing was named and nothing has failed, no label was rejected, or a process still works on
                one of them.
        """
        events = Journal(run / "journal.jsonl").read()
        superseded = set(last_word(events).get("superseded", ()))  # of an earlier input: nobody asks for them now
        folders = [folder for folder in task_folders(run) if folder.in_run not in superseded]
        names = [folder.in_run for folder in folders]
        if self.steps or self.tasks or self.rejected:
            chosen = {name for step in self.steps for name in _of_step(step, names)}
            chosen |= {_of_name(task, names) for task in self.tasks}
            chosen |= _rejected(run, events) if self.rejected else set()
        else:
            chosen = {failure.task for failure in failed_tasks(events, used_tasks(run, events), str(run))}
            if not chosen:
                hint = f"pfd submit {shell_word(run)} goes on; --from STEP or --redo TASK name what to do anew"
                if count := len(rejected_labels(run, events)):
                    were, them = ("was", "it") if count == 1 else ("were", "them")
                    hint = f"{counted(count, 'label')} {were} rejected: --rejected makes {them} anew. {hint}"
                raise RunError("no task of this run has failed", where=str(run), hint=hint)
        found = [folder for folder, name in zip(folders, names, strict=True) if name in chosen]
        for folder in found:
            holder = folder.claimed_by()
            if holder is not None and not folder.done():
                what = f"process {holder.pid} still works on {folder.name}"
                raise RunError(
                    what, where=str(run), hint=f"pfd submit {shell_word(run)} takes it in; or end that process"
                )
        return found

    def set_aside(self, run: Path) -> list[TaskFolder]:
        """Move what is meant out of the way; the journal says so before it is done. The caller holds the run's lock.

        Raises:
            As ``find``.
        """
        folders = self.find(run)
        target = _next_folder(run)
        names = [folder.in_run for folder in folders]
        Journal(run / "journal.jsonl").write("redo", tasks=names, aside=os.path.relpath(target, run))
        for folder, name in zip(folders, names, strict=True):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            folder.path.rename(target / name)
        return [TaskFolder(target / name) for name in names]


def rejected_labels(run: Path, events: Sequence[Event]) -> set[str]:
    """Tasks of labels that the newest judgement on them, of those that count, has rejected."""
    verdicts: dict[str, tuple[float, bool]] = {}
    for folder in used_tasks(run, events):
        result = folder.result()
        if not folder.place[-1].endswith("accept") or result is None or result.status != "done":
            continue
        rejected = read_json(folder.path / "outputs" / "reasons.json") or {}
        for name, path in folder.task()["inputs"].items():
            if not name.startswith("label"):
                continue
            label = (folder.path / path["path"]).resolve()
            told = read_json(label / "label.json")
            task = "/".join(label.parts[-6:-2])
            if isinstance(told, dict) and result.started >= verdicts.get(task, (0.0, False))[0]:
                verdicts[task] = result.started, told.get("id") in rejected
    return {task for task, (_, rejected) in verdicts.items() if rejected}


def _rejected(run: Path, events: Sequence[Event]) -> set[str]:
    found = rejected_labels(run, events)
    if not found:
        hint = f"pfd status {shell_word(run)} tells how many labels there are, and why some were rejected"
        raise RunError("no label of this run was rejected", where=str(run), hint=hint)
    return found


def _of_step(step: str, names: Sequence[str]) -> list[str]:
    """Tasks below a place, or of a step wherever it is."""
    wanted = step.strip("/").split("/")
    found = []
    for name in names:
        place = name.split("/")[:-1]
        if place[: len(wanted)] == wanted or place[-len(wanted) :] == wanted:
            found.append(name)
    if not found:
        steps = sorted({name.split("/")[-2] for name in names})
        loops = ", ".join(sorted({name.split("/")[0] for name in names}))
        parts = {part for name in names for part in _parts(name)}
        guess = nearest(step.strip("/"), sorted(parts))
        hint = f"{guess}a loop ({loops}), LOOP/iter-NNN, or a step of {', '.join(steps)}" if steps else NOTHING_DONE
        raise SettingError(f"no task of {step!r} in this run", where="--from", hint=hint)
    return found


def _parts(name: str) -> Iterator[str]:
    """What names a task's loop, iteration or step: each beginning and each end of its place."""
    place = name.split("/")[:-1]
    for length in range(1, len(place) + 1):
        yield "/".join(place[:length])
        yield "/".join(place[-length:])


def _of_name(task: str, names: Sequence[str]) -> str:
    """The one task that is meant."""
    wanted = task.strip("/")
    last = wanted.rsplit("/", 1)[-1]
    place = wanted[: -len(last)]
    found = []
    for name in names:
        parent, _, own = name.rpartition("/")
        number, _, identity = own.partition("-")
        fits = own == last or (last.isdigit() and len(last) <= 4 and int(last) == int(number))
        fits = fits or (len(last) >= 3 and re.fullmatch(r"[0-9a-f]+", last) is not None and identity.startswith(last))
        if fits and f"/{parent}/".endswith(f"/{place}"):
            found.append(name)
    if len(found) == 1:
        return found[0]
    if not found:
        ends = {"/".join(name.split("/")[start:]) for name in names for start in range(4)}
        hint = "name its folder below RUN/LOOP/iter-NNN/STEP; those that only an earlier input used are not meant"
        hint = f"{nearest(task.strip('/'), sorted(ends))}{hint}" if names else NOTHING_DONE
        raise SettingError(f"no task {task!r} in this run", where="--redo", hint=hint)
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    what = f"{task!r} may be any of {', '.join(found[:LISTED])}{more}"
    raise SettingError(what, where="--redo", hint="name one with its place, or all of a step by --from")


def _next_folder(run: Path) -> Path:
    numbers = [int(path.name) for path in (run / ASIDE).glob("*") if path.name.isdigit()]
    return run / ASIDE / f"{max(numbers, default=0) + 1:03d}"
