"""Labelling a batch of chosen frames: within the budget, each once in a run folder, judged by the rules of now."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pfd.errors import TaskFailed
from pfd.frames import read_frames
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.tasks.steps.labelling import read_record, verdict
from pfd.wording import shell_word
from pfd.workflow.bindings import Binding
from pfd.workflow.budget import Budget
from pfd.workflow.labels_gate import refused
from pfd.workflow.ledger import frame_and_level
from pfd.workflow.outcome import Outcome
from pfd.workflow.pause import FOR_LABELS, Paused
from pfd.workflow.run_folder import ROUNDING, RunFolder

if TYPE_CHECKING:
    from ase import Atoms

MIN_JUDGED = 10
"""From so many labels on, the part that was accepted says something of the settings; of fewer, only that none was."""


class Labelling:
    """Labels for one loop.

    Args:
        run: where tasks are performed.
        binding: who labels.
        budget: caps, and what was asked so far in this loop.
        outcome: where rejected labels are noted.
    """

    def __init__(self, run: RunFolder, binding: Binding, budget: Budget, outcome: Outcome) -> None:
        self._run, self._binding, self._budget, self._outcome = run, binding, budget, outcome
        self._gated: dict[str, Atoms] = {}

    def label(self, chosen: Mapping[str, TaskFolder]) -> dict[str, list[TaskFolder]]:
        """Label all chosen frames and judge them.

        Args:
            chosen: place of the label tasks -> the task that chose the frames.

        Returns:
            Place -> the task that judged its labels, or nothing if there were none.

        Raises:
            Paused: if frames wait for labels that are made by hand.
            TaskFailed: if a smaller part than ``min_success`` of all labels so far in this loop was accepted, or if
                the data gate refuses them.
        """
        frames = {place: _frames(selection) for place, selection in chosen.items()}
        if message := self._binding.awaits([frame for some in frames.values() for frame in some]):
            raise Paused(FOR_LABELS, message)
        specs = {place: self._specs(some) for place, some in frames.items()}
        self._run.pass_pause(spec for some in specs.values() for spec in some)
        tasks = self._perform(specs)
        judged = {place: self._judge(place, folders) for place, folders in tasks.items()}
        rejected, flagged = _findings(judged)
        done = {_frame_of(folder) for folders in tasks.values() for folder in folders if folder.done()}
        self._budget.accept(done - set(rejected))
        self._budget.reject(rejected)
        _note(self._outcome.rejected, rejected)
        self._note_flagged(flagged)
        self._require_success(next(iter(chosen), ""), next(iter(rejected.values()), "tasks were lost"))
        self._pass_gate(next(iter(chosen), ""), judged)
        return judged

    def earlier(self, place: str, identities: Collection[str]) -> TaskFolder | None:
        """Labels of earlier inputs that may be trained on as well; from now on they count as asked for.

        Those are the labels that this input would make of the same frames, that its rules accept, and that this
        submission has not asked for itself.

        Args:
            place: the iteration they join in.
            identities: label tasks to look among.

        Returns:
            The task that judged them, or None if there are none.
        """
        assert self._budget.ledger is not None
        kept: dict[str, TaskFolder] = {}
        for folder in self._budget.ledger.folders():
            if folder.task()["identity"] not in identities or not folder.done():
                continue
            name = _frame_of(folder)
            if not self._budget.asked_for(name) and self._would_do(folder):
                kept.setdefault(name, folder)
        if not kept:
            return None
        self._budget.ask(kept)
        self._budget.spend(kept.values())
        self._budget.accept(kept)
        judged = self._judge(f"{place}/earlier-label", list(kept.values()))
        self._note_flagged(_findings({place: judged})[1])
        return judged[0]

    def _note_flagged(self, flagged: Mapping[str, str]) -> None:
        if _note(self._outcome.flagged, flagged):
            self._run.journal.write("flagged_labels", count=len(flagged), frames=sorted(flagged))

    def _would_do(self, folder: TaskFolder) -> bool:
        """True if a label is the one that this input would make, and is accepted."""
        mine = self._binding.label(folder.input("frame")).identity()
        record = read_record(folder.path / "outputs" / "label")
        return frame_and_level(folder) == mine and not verdict(record, self._binding.accept)

    def _specs(self, frames: list[Path]) -> list[TaskSpec]:
        specs = [self._binding.label(Artifact.of(frame)) for frame in frames]
        ledger = self._budget.ledger
        return specs if ledger is None else ledger.settle(specs, self._binding.aids())

    def _perform(self, specs: dict[str, list[TaskSpec]]) -> dict[str, list[TaskFolder]]:
        """Perform what the budget lets, in portions; a batch that is cut is shared fairly among the places."""
        turns = [spec for row in zip_longest(*specs.values()) for spec in row if spec is not None]
        unique = {spec.identity(): spec for spec in turns}
        folders: dict[str, TaskFolder] = {}
        while True:
            portion = [spec for spec in self._budget.portion(list(unique.values())) if spec.identity() not in folders]
            if not portion:
                break
            self._budget.ask(spec.inputs["frame"].path.stem for spec in portion)
            wanted = {spec.identity() for spec in portion}
            groups = {place: [spec for spec in each if spec.identity() in wanted] for place, each in specs.items()}
            groups = {place: each for place, each in groups.items() if each}
            done = sum(folder.done() for folder in folders.values())
            performed = self._run.perform(groups, min_done=self._min_done(len(wanted), done))
            for place, each in groups.items():
                folders |= {spec.identity(): folder for spec, folder in zip(each, performed[place], strict=True)}
            self._budget.spend(folders.values())
        if len(folders) < len(unique):
            self._cut(len(unique) - len(folders))
        return {
            place: [folders[spec.identity()] for spec in each if spec.identity() in folders]
            for place, each in specs.items()
        }

    def _cut(self, left_out: int) -> None:
        """Go on without what the budget does not let; without any label there is nothing to go on with.

        Raises:
            TaskFailed: if this submission got no label at all.
        """
        self._budget.cut()
        self._run.journal.write("budget", left_out=left_out)
        if self._budget.asked == 0 and self._budget.ledger is not None:
            begun = len(self._budget.ledger.begun())
            raise TaskFailed(
                f"no label is left: {begun} were begun in this run folder, those of earlier inputs included",
                where=f"{self._binding.name}.label",
                hint="raise finetune.label.max_total or finetune.label.max_core_hours",
            )

    def _min_done(self, count: int, done: int) -> float:
        """Part of a portion that must end with a result, so that enough of all labels so far can be accepted.

        Args:
            count: tasks of the portion, which have been asked for already.
            done: tasks of the same batch that are done, and not judged yet.
        """
        counts = self._budget.counts()
        needed = self._binding.min_success * counts["asked"] if counts["asked"] >= MIN_JUDGED else 1.0
        return min(1.0, max(0.0, (needed - counts["accepted"] - done) / count))

    def _judge(self, place: str, folders: list[TaskFolder]) -> list[TaskFolder]:
        """Apply the acceptance rules to the labels of one place."""
        done = [folder.output("label") for folder in folders if folder.done()]
        if not done:
            return []
        path = PurePosixPath(place)
        inputs = {f"label{index}": artifact for index, artifact in enumerate(done)}
        spec = TaskSpec("accept", {"accept": self._binding.accept.model_dump(mode="json")}, inputs)
        return [self._run.one(str(path.with_name(path.name.replace("label", "accept"))), spec)]

    def _pass_gate(self, place: str, judged: Mapping[str, list[TaskFolder]]) -> None:
        """Have the data gate look at all labels so far of a program of which nothing is known."""
        if not self._binding.gated:
            return
        for folder in (folder for folders in judged.values() for folder in folders):
            for frame in read_frames(folder.path / "outputs" / "label" / "labelled.extxyz"):
                self._gated[frame.info["id"]] = frame
        for finding in refused("the labels", list(self._gated.values())):
            hint = f"{finding.hint}; see where the program takes its numbers from"
            raise TaskFailed(f"the labels are refused: {finding.text}", where=place, hint=hint)

    def _require_success(self, place: str, reason: str) -> None:
        """Stop if too few of all labels so far were accepted: then the settings are wrong, not the frames."""
        counts = self._budget.counts()
        asked, accepted = counts["asked"], counts["accepted"]
        enough = accepted >= self._binding.min_success * asked - ROUNDING
        if asked and not enough and (asked >= MIN_JUDGED or not accepted):
            raise TaskFailed(
                f"only {accepted} of {asked} labels were accepted; the first reason: {reason}",
                where=place,
                hint=f"mend the labeler's settings, or lower finetune.label.min_success ({self._binding.min_success}); "
                f"if no setting was wrong, pfd resubmit {shell_word(self._run.path)} "
                "--rejected makes those labels anew",
            )


def _frames(selection: TaskFolder) -> list[Path]:
    """The files of the chosen frames, one frame each."""
    return sorted((selection.path / "outputs" / "frames").iterdir())


def _findings(judged: Mapping[str, list[TaskFolder]]) -> tuple[dict[str, str], dict[str, str]]:
    """Frame id -> why its label was rejected, and frame id -> what is doubtful about its accepted label."""
    rejected: dict[str, str] = {}
    flagged: dict[str, str] = {}
    for folder in (folder for folders in judged.values() for folder in folders):
        outputs = folder.path / "outputs"
        rejected |= json.loads((outputs / "reasons.json").read_text(encoding="utf-8"))
        flagged |= json.loads((outputs / "flagged.json").read_text(encoding="utf-8"))
    return rejected, flagged


def _note(entries: list[dict[str, str]], found: Mapping[str, str]) -> bool:
    """Add those that are not noted yet; True if there are any."""
    told = {entry["id"] for entry in entries}
    new = [{"id": name, "reason": why} for name, why in found.items() if name not in told]
    entries += new
    return bool(new)


def _frame_of(folder: TaskFolder) -> str:
    content = json.loads((folder.path / "outputs" / "label" / "label.json").read_text(encoding="utf-8"))
    return str(content["id"])
