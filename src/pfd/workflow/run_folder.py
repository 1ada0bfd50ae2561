"""The run folder: every task done once, wherever in the run it stands."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pfd.digests import file_digest
from pfd.engines.engine import Engine, Progress
from pfd.errors import RunError, TaskFailed
from pfd.json_file import read_json, write_json
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.tasks.runner import run_task
from pfd.tasks.steps import STEPS, family_of
from pfd.wording import shell_word
from pfd.workflow.holders import refuse_foreign_holders
from pfd.workflow.journal import Journal
from pfd.workflow.pause import Paused

NAME_FILE = "run.json"
ASIDE = "superseded"
"""Folder of a run for tasks that were set aside, to be done anew (see ``redo``)."""
ROUNDING = 1e-9
"""0.8 of 5 is 4, whatever floating point makes of it."""
Watcher = Callable[[str, Progress], None]
"""Told the place of a group of tasks and how far it is."""


class RunFolder:
    """A run: its folder, its journal, and the index of the tasks in it.

    Args:
        path: the run folder (see ``take_folder``), locked by the caller (see ``workflow.driver_lock``).
        engine: who runs the tasks.
        seed: the run's seed.
        watch: told how far each group of tasks is.
    """

    def __init__(self, path: Path, engine: Engine, seed: int, watch: Watcher) -> None:
        self.path = path
        self._engine, self._seed, self._watch = engine, seed, watch
        self.journal = Journal(path / "journal.jsonl")
        self._index: dict[str, TaskFolder] = {}
        for folder in task_folders(path):
            identity = folder.identity()
            if identity is not None:
                self._index[identity] = folder
        self.used: dict[str, TaskFolder] = {}
        self._found_done: set[Path] = set()
        self._performed: set[Path] = set()
        self._pause_after = ""

    @property
    def reused(self) -> int:
        """How many tasks that were asked for had been done before this submission."""
        return len(self._found_done)

    def keep_input(self, source: Path) -> Artifact:
        """Copy a file or folder that the input names into the run, so that the run can be moved."""
        digest = file_digest(source)
        prefix = f"{digest[:8]}-"
        target = self.path / "inputs" / f"{prefix}{source.name.removeprefix(prefix)}"  # it may be a copy of a copy
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            temporary = target.with_name(f".{target.name}.{os.getpid()}")
            if source.is_dir():
                shutil.copytree(source, temporary)
            else:
                shutil.copyfile(source, temporary)
            temporary.rename(target)
        return Artifact(target, digest)

    def pause_after(self, step: str) -> None:
        """Pause before the next heavy tasks if they are not done; if they are, the run has been further already."""
        self._pause_after = step

    def pass_pause(self, specs: Iterable[TaskSpec]) -> None:
        """Pause if that was asked for, and one of these heavy tasks is neither done nor given up.

        Raises:
            Paused
        """
        step, self._pause_after = self._pause_after, ""
        for spec in specs if step else ():
            folder = self._index.get(self.identity(spec))
            if folder is None or not (folder.done() or folder.given_up()):
                raise Paused(step)

    def one(self, place: str, spec: TaskSpec) -> TaskFolder:
        """Perform a single task, which must succeed."""
        return self.perform({place: [spec]})[place][0]

    def perform(self, groups: Mapping[str, Sequence[TaskSpec]], min_done: float = 1.0) -> dict[str, list[TaskFolder]]:
        """Have every task of these groups done, and return their folders in order.

        Args:
            groups: place in the run (``finetune/iter-000/explore``) -> tasks, all of one step.
            min_done: part of all these tasks that must end with a result; folders of others come back undone, and
                stay so when the input is submitted again: what was built without them stands.

        Raises:
            TaskFailed: if a task failed for good, or too many used up their retries.
            Paused: see ``pass_pause``.
        """
        heavy = [spec for specs in groups.values() for spec in specs if not STEPS[spec.step].light]
        if heavy:
            self.pass_pause(heavy)
        folders = {place: [self._folder(place, *each) for each in enumerate(specs)] for place, specs in groups.items()}
        everything = list({str(f.path): f for group in folders.values() for f in group}.values())
        _try_again_if_too_few(everything, min_done)
        pending = [folder for folder in everything if not folder.done() and not folder.given_up()]
        self._found_done |= {folder.path for folder in everything if folder.done()} - self._performed
        self._performed |= {folder.path for folder in pending}
        place = next(iter(groups))
        refuse_foreign_holders(self.path, pending)
        if pending:
            step = pending[0].task()["step"]
            names = [os.path.relpath(folder.path, self.path) for folder in pending]
            self.journal.write("tasks", place=place, step=step, total=len(everything), pending=names)
            if STEPS[step].light:
                for folder in pending:
                    _run_here(folder)
            else:
                self._run_elsewhere(place, everything, min_done)
            done = sum(folder.done() for folder in everything)
            self.journal.write("finished", place=place, step=step, total=len(everything), done=done)
        if without := [os.path.relpath(folder.path, self.path) for folder in everything if folder.given_up()]:
            self.journal.write("gone_on", place=place, without=without)
        return folders

    def _run_elsewhere(self, place: str, folders: list[TaskFolder], min_done: float) -> None:
        """Have the engine run what is neither done nor given up."""
        wanted = [folder for folder in folders if not folder.given_up()]
        said = ""

        def observe(progress: Progress) -> None:
            nonlocal said
            if progress.message and progress.message != said:
                said = progress.message
                self.journal.write("said", place=place, words=said)
            self._watch(place, progress)

        lost = self._engine.run(wanted, observe)
        for path, message in lost.items():
            self.journal.write("lost", task=os.path.relpath(path, self.path), message=message)
        undone = sum(not folder.done() for folder in folders)
        if lost and len(folders) - undone < min_done * len(folders) - ROUNDING:
            path, message = next(iter(lost.items()))
            again = f"pfd resubmit {shell_word(self.path)}"
            hint = f"read {Path(path) / 'attempts'} (log.txt of the last attempt), then {again}"
            what = f"{undone} of {len(folders)} tasks used up their attempts; the first: {message}"
            raise TaskFailed(what, where=place, hint=hint)
        for folder in folders:
            if str(folder.path) in lost:
                folder.give_up(lost[str(folder.path)])

    def say(self, place: str, message: str) -> None:
        """Show a line to who watches, now or from the journal, to stay in sight."""
        self.journal.write("said", place=place, words=message)
        self._watch(place, Progress(total=0, done=0, running=0, failed=0, fraction=0.0, message=message))

    def known(self, identity: str) -> TaskFolder | None:
        """The finished task of an identity, if the run folder holds one."""
        folder = self._index.get(identity)
        return folder if folder is not None and folder.done() else None

    def identity(self, spec: TaskSpec) -> str:
        """The identity under which this run performs a task."""
        return self._seeded(spec).identity()

    def _seeded(self, spec: TaskSpec) -> TaskSpec:
        return spec.seeded(self._seed) if STEPS[spec.step].seeded else spec

    def superseded(self) -> list[str]:
        """Task folders of the run that this submission did not use, relative to the run folder."""
        unused = set(self._index) - set(self.used)
        return sorted(self._index[identity].in_run for identity in unused)

    def _folder(self, place: str, number: int, spec: TaskSpec) -> TaskFolder:
        spec = self._seeded(spec)
        identity = spec.identity()
        known = self._index.get(identity)
        if known is None or not known.done():
            parent = self.path / place if known is None else known.path.parent
            number = number if known is None else int(known.path.name[:4])
            known = TaskFolder.create(parent, number, _placed(spec))
            self._index[identity] = known
        known.verify()
        self.used[identity] = known
        return known


def _try_again_if_too_few(folders: Sequence[TaskFolder], min_done: float) -> None:
    """Forget that tasks were given up if more of them are to be done by now than when the run went on without them."""
    given_up = [folder for folder in folders if folder.given_up()]
    if len(folders) - len(given_up) < min_done * len(folders) - ROUNDING:
        for folder in given_up:
            folder.forget_failure()


def _placed(spec: TaskSpec) -> TaskSpec:
    """The same task with the family in whose environment it runs."""
    model = spec.inputs.get(STEPS[spec.step].model)
    family = family_of(spec.step, spec.parameters, model.path if model is not None else None)
    return replace(spec, resources=spec.resources.model_copy(update={"family": family}))


def task_folders(run: Path) -> Iterator[TaskFolder]:
    """All task folders of a run, in the order of their paths."""
    for loop in _folders(run):
        if loop.name not in _NO_TASKS:
            steps = (step for part in _folders(loop) for step in _folders(part))
            yield from (TaskFolder(path) for step in steps for path in _folders(step) if _TASK.match(path.name))


_NO_TASKS = {"inputs", "data", "models", "argo", "submissions", ASIDE}
_TASK = re.compile(r"\d{4}-")


def _folders(path: Path) -> list[Path]:
    """The folders in a folder, by name; cheaper than glob, which looks at each path anew."""
    with os.scandir(path) as entries:
        return [path / name for name in sorted(entry.name for entry in entries if entry.is_dir())]


DAMAGED = "the file that names the run is missing or damaged"


def _name_it(name: str) -> str:
    return (
        f'if this is the run {name!r}, write {{"name": "{name}", "format": 1}} into it; nothing that is done is redone'
    )


def take_folder(path: Path, name: str) -> None:
    """Make a folder the run of that name, or see that it is.

    Raises:
        RunError: if it holds a run of another name, or something that is no run.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "name another: pfd submit INPUT RUN"
        raise RunError(f"cannot make the folder: {error.strerror}", where=str(path), hint=hint) from error
    others = [child.name for child in path.iterdir() if not child.name.removeprefix(".").startswith(NAME_FILE)]
    content = read_json(path / NAME_FILE)  # after the look at the rest: another driver may be making the folder
    if content is None:
        if "journal.jsonl" in others:
            raise RunError(DAMAGED, where=str(path / NAME_FILE), hint=_name_it(name))
        if others:
            raise RunError(
                "the folder exists and holds no run", where=str(path), hint="name another: pfd submit INPUT RUN"
            )
        write_json(path / NAME_FILE, {"name": name, "format": 1})
    elif not isinstance(content, dict) or "name" not in content:
        raise RunError(DAMAGED, where=str(path / NAME_FILE), hint=_name_it(name))
    elif content["name"] != name:
        raise RunError(
            f"the folder holds the run {content['name']!r}, the input is named {name!r}",
            where=str(path),
            hint="name another folder: pfd submit INPUT RUN",
        )


def _run_here(folder: TaskFolder) -> None:
    """Run a light task in this process."""
    result = run_task(folder, redirect=False)
    if result is None or result.status != "done":
        failure = result.failure if result is not None else None
        message = failure.message if failure else "; ".join(folder.counted_attempts()[-1:]) or "another process has it"
        hint = "" if failure else "submit the input again"
        code = failure.exit_code if failure else 1
        raise TaskFailed(message, where=f"task {folder.name}", hint=hint, exit_code=code)
