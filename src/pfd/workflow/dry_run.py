"""How far a submission would come by what is done: the run is gone through in a copy of which the tasks are links."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pfd.config.reading import ResolvedInput
from pfd.digests import file_digest
from pfd.engines.engine import Observer, Progress
from pfd.errors import PFDError
from pfd.kept import FOLDER as INPUTS
from pfd.tasks.folder import Artifact, TaskFolder
from pfd.workflow.campaign import Campaign
from pfd.workflow.estimate import step_of
from pfd.workflow.pause import Paused
from pfd.workflow.run_folder import RunFolder, task_folders
from pfd.workflow.submission import note_submission

SEEN = ("run.json", "journal.jsonl", "input.yaml", "external")
"""What a run goes by, besides its tasks and the inputs that it was resolved to."""


@dataclass(frozen=True)
class Reuse:
    """What a submission would find done.

    Attributes:
        tasks: finished tasks that it would use, and how many of them are first-principles labels.
        labels: see ``tasks``.
        place: where it would come to tasks that are not done, such as ``finetune/iter-001/label``; empty if nowhere.
        new: how many tasks those are.
        message: what else it would come to: it would wait, or fail.
        kept: labels of an earlier input that would stay in the training set.
        done: step of the estimate (see ``step_of``) -> finished tasks that would be used.
    """

    tasks: int
    labels: int
    place: str = ""
    new: int = 0
    message: str = ""
    kept: int = 0
    done: Mapping[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.place and not self.message


class _Met(Exception):
    """The run came to tasks that are not done."""

    def __init__(self, folders: Sequence[TaskFolder]) -> None:
        super().__init__(f"{len(folders)} tasks")
        self.folders = list(folders)


class _NoEngine:
    """Runs nothing."""

    def run(self, folders: Sequence[TaskFolder], observe: Observer) -> dict[str, str]:
        """See ``Engine.run``.

        Raises:
            _Met: always.
        """
        raise _Met([folder for folder in folders if not folder.done()])


class _DryFolder(RunFolder):
    """A run folder that copies no files of the input."""

    def keep_input(self, source: Path) -> Artifact:
        """See ``RunFolder.keep_input``."""
        return Artifact(source, file_digest(source))


def reuse_of(run: Path, resolved: ResolvedInput, input_file: Path) -> Reuse:
    """Go through a run as a submission of this input would, up to the first tasks that are not done.

    Light tasks are done on the way, in a copy; the run folder stays as it is.

    Args:
        run: the run folder.
        resolved: the input.
        input_file: its file.
    """
    with tempfile.TemporaryDirectory(prefix="pfd-plan-") as scratch:
        copy = Path(scratch)
        _link(run.resolve(), copy)
        folder = _DryFolder(copy, _NoEngine(), resolved.input.seed, _silent)
        there = {task.in_run for task in task_folders(copy) if task.done()}
        earlier, _ = note_submission(folder, resolved, input_file)
        place, new, message = "", 0, ""
        campaign = Campaign(folder, resolved, None, earlier)
        try:
            campaign.execute()
        except _Met as met:
            place, new = "/".join(met.folders[0].place), len(met.folders)
        except Paused as paused:
            message = paused.message or f"paused after {paused.after}"
        except PFDError as error:
            message = error.what
        used = [task for task in folder.used.values() if task.in_run in there]
        labels = sum((task.place[0], task.task()["step"]) == ("finetune", "label") for task in used)
        done = dict(Counter(step_of(task.place) for task in used))
        return Reuse(len(used), labels, place, new, message, campaign.outcome.kept_labels, done)


def _link(run: Path, copy: Path) -> None:
    """Folders of their own, with links to finished tasks in them; what the run goes by is copied.

    Tasks that were given up are copied: asking for one writes into its folder.
    """
    for task in task_folders(run):
        target = copy / task.in_run
        if task.done():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(task.path)
        elif task.given_up():
            shutil.copytree(task.path, target, symlinks=True)
    for path in [*(run / name for name in SEEN), *run.glob("resolved-*.yaml"), *run.glob("earlier-*.json")]:
        if path.is_dir():
            shutil.copytree(path, copy / path.name)
        elif path.is_file():
            shutil.copyfile(path, copy / path.name)
    if (run / INPUTS).is_dir():
        (copy / INPUTS).symlink_to(run / INPUTS)


def _silent(_place: str, _progress: Progress) -> None:
    """The watcher that shows nothing."""
