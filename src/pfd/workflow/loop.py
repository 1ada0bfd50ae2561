"""The loop: explore, select, label, collect, train, evaluate, decide; once for fine-tuning, once for distillation."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pfd.errors import TaskFailed
from pfd.evaluate.decision import Decision
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.workflow.bindings import Binding, resources_of
from pfd.workflow.budget import Budget
from pfd.workflow.exploration import Exploration
from pfd.workflow.outcome import Outcome
from pfd.workflow.run_folder import RunFolder


class Paused(Exception):  # noqa: N818 - not an error: the user asked to stop here
    """The run reached the step after which ``--until`` stops it."""


@dataclass(frozen=True)
class Dataset:
    """Labelled frames so far; None before the first collection."""

    train: Artifact | None = None
    valid: Artifact | None = None

    def inputs(self) -> dict[str, Artifact]:
        """The parts that exist, by name."""
        return {name: part for name, part in (("train", self.train), ("valid", self.valid)) if part is not None}


@dataclass
class LoopState:
    """What a loop has reached."""

    dataset: Dataset = Dataset()
    model: Artifact | None = None
    test: Artifact | None = None
    decision: Decision | None = None


@dataclass(frozen=True)
class Iteration:
    """Where in the loop we are: ``number`` counts all iterations, ``round`` those of this stage."""

    number: int = 0
    stage: int = 0
    round: int = 0


class Loop:
    """One loop of one run.

    Args:
        run: where tasks are performed.
        binding: who explores, labels and trains.
        structures: starting frames.
        budget: caps on labels.
        until: a step after which the run pauses, or None.
        outcome: where iterations, trajectories and rejected labels are noted; written after each iteration.
    """

    def __init__(
        self,
        run: RunFolder,
        binding: Binding,
        structures: Artifact,
        budget: Budget,
        until: str | None,
        outcome: Outcome,
    ) -> None:
        self.run, self.binding, self.budget, self.until, self.outcome = run, binding, budget, until, outcome
        self.explorer = Exploration(run, binding, structures)
        self.structures = structures
        self.state = LoopState()

    def execute(self, brought: list[Artifact], label_start: bool) -> LoopState:
        """Run iterations until the decision ends the loop.

        Args:
            brought: labelled sets of the user, trained on before exploring.
            label_start: whether the starting frames are labelled and trained on before exploring.
        """
        if brought or label_start:
            self._begin_with(brought, label_start)
        at = Iteration()
        while True:
            decision = self._iterate(at)
            self.state.decision = decision
            self.run.journal.write("decision", loop=self.binding.name, iteration=at.number, **decision.model_dump())
            if decision.action == "again":
                at = replace(at, number=at.number + 1, round=at.round + 1)
            elif decision.action == "next_stage":
                at = Iteration(at.number + 1, at.stage + 1, 0)
            else:
                return self.state

    def _begin_with(self, brought: list[Artifact], label_start: bool) -> None:
        """Label the starting frames if asked, and train on them and on what the user brought."""
        place = f"{self.binding.name}/initial"
        labels: list[TaskFolder] = []
        selected: dict[str, Artifact] = {}
        if label_start:
            spec = TaskSpec("sample", {"per_trajectory": 10**6}, {"trajectory0": self.structures})
            chosen = self.run.one(f"{place}/select", spec)
            labels = self._label({f"{place}/label": chosen})[f"{place}/label"]
            selected = {"selected": chosen.output("selected.extxyz")}
        extra = {f"extra{index}": artifact for index, artifact in enumerate(brought)}
        self._collect(f"{place}/collect", labels, selected | extra)
        self._train(place)

    def _iterate(self, at: Iteration) -> Decision:
        place = f"{self.binding.name}/iter-{at.number:03d}"
        explored, test_explored = self._explore(at, place)
        select = self._select(place, explored)
        self._pause_after("select")
        to_label = {f"{place}/label": select}
        if test_explored is not None:
            to_label[f"{self.binding.name}/test/label"] = self._sample_test(test_explored)
        labels = self._label(to_label)
        if test_explored is not None:
            self._fix_test_set(to_label, labels)
        self._pause_after("label")
        before = self.state.model
        counts = self._collect(f"{place}/collect", labels[f"{place}/label"], {"selected": select.output("selected.extxyz")})
        prospective = None
        if not self.binding.student and counts.task() and _content(counts, "counts.json")["accepted"]:
            model = before or self.binding.teacher
            prospective = self._errors(f"{place}/evaluate", "prospective", model, counts.output("new.extxyz"), at.stage)
        training = self._train(place)
        self._pause_after("train")
        assert self.state.test is not None
        assert self.state.model is not None
        test = self._errors(f"{place}/evaluate", "test", self.state.model, self.state.test, at.stage)
        own_md: list[TaskFolder] = []
        if self.binding.student:
            own_md, prospective = self._student_md(at, place)
        decision = self._decide(at, place, select, counts, explored, test, prospective, own_md)
        self._record(at, select, counts, training, test, prospective, decision)
        return decision

    def _pause_after(self, step: str) -> None:
        if self.until == step:
            raise Paused(step)

    def _explore(self, at: Iteration, place: str) -> tuple[list[TaskFolder], list[TaskFolder] | None]:
        """This stage's trajectories; with the first ones, those of the test set for all stages."""
        student = self.state.model if self.binding.student else None
        model = self.binding.teacher if self.binding.student else self.state.model or self.binding.teacher
        groups = {f"{place}/explore": self.explorer.specs(at.stage, model, f"{self.binding.name}-{at.number}", student)}
        test_place = f"{self.binding.name}/test/explore"
        if self.state.test is None:
            groups[test_place] = self.explorer.test_specs(model, f"{self.binding.name}-test")
        folders = self.run.perform(groups, min_done=EXPLORE_MIN_DONE)
        done = {where: [folder for folder in group if folder.done()] for where, group in folders.items()}
        self.outcome.trajectories += [
            _trajectory(folder)
            for group in done.values()
            for folder in group
        ]
        return done[f"{place}/explore"], done.get(test_place)

    def _select(self, place: str, explored: list[TaskFolder]) -> TaskFolder:
        inputs = _numbered("trajectory", [folder.output("trajectory.extxyz") for folder in explored])
        inputs |= _numbered("reference", list(self.state.dataset.inputs().values()))
        settings = self.binding.settings.select
        reserve = 0 if self.state.test is not None else self.explorer.test_frames()
        limit = min(settings.max_frames, self.budget.left(reserve))
        parameters = {"settings": settings.model_dump(mode="json"), "limit": limit}
        spec = TaskSpec("select", parameters, inputs, resources_of(self.binding.resolved, "select"))
        return self.run.one(f"{place}/select", spec)

    def _sample_test(self, explored: list[TaskFolder]) -> TaskFolder:
        inputs = _numbered("trajectory", [folder.output("trajectory.extxyz") for folder in explored])
        count = self.binding.resolved.input.evaluate.test_frames
        return self.run.one(f"{self.binding.name}/test/select", TaskSpec("sample", {"per_trajectory": count}, inputs))

    def _label(self, chosen: dict[str, TaskFolder]) -> dict[str, list[TaskFolder]]:
        """Label all chosen frames in one go; too few accepted ones end the run with their reasons."""
        groups = {}
        for place, selection in chosen.items():
            frames = sorted((selection.path / "outputs" / "frames").iterdir())
            groups[place] = [self.binding.label(Artifact.of(frame)) for frame in frames]
            self.budget.ask([frame.stem for frame in frames])
        if not any(groups.values()):
            return {place: [] for place in groups}
        folders = self.run.perform(groups, min_done=self.binding.min_success)
        self.budget.spend(folder for group in folders.values() for folder in group)
        done = {place: [folder for folder in group if folder.done()] for place, group in folders.items()}
        notes = [_content(folder, "label/label.json") for group in done.values() for folder in group]
        asked = sum(len(group) for group in groups.values())
        bad = [note for note in notes if not note["accepted"]]
        accepted = len(notes) - len(bad)
        self.outcome.rejected += [{"id": note["id"], "reason": note["reason"]} for note in bad]
        if accepted < self.binding.min_success * asked:
            reason = bad[0]["reason"] if bad else "tasks were lost"
            raise TaskFailed(
                f"only {accepted} of {asked} labels were accepted; the first reason: {reason}",
                where=next(iter(chosen)),
                hint=f"mend the labeler's settings, or lower label.min_success ({self.binding.min_success})",
            )
        return done

    def _fix_test_set(self, chosen: dict[str, TaskFolder], labels: dict[str, list[TaskFolder]]) -> None:
        """Collect the test set; it is never touched again in this run."""
        place = f"{self.binding.name}/test"
        inputs = _numbered("label", [folder.output("label") for folder in labels[f"{place}/label"]])
        inputs["selected"] = chosen[f"{place}/label"].output("selected.extxyz")
        collected = self.run.one(f"{place}/collect", TaskSpec("collect", {"valid_fraction": 0.0}, inputs))
        if not _content(collected, "counts.json")["accepted"]:
            raise TaskFailed("no test frame was accepted", where=place, hint="raise explore steps or loosen the stops")
        self.state.test = collected.output("new.extxyz")

    def _collect(self, place: str, labels: list[TaskFolder], inputs: dict[str, Artifact]) -> TaskFolder:
        """Add newly labelled frames to the data; ``place`` is the folder of the collecting task."""
        inputs = inputs | _numbered("label", [folder.output("label") for folder in labels]) | self.state.dataset.inputs()
        spec = TaskSpec("collect", {"valid_fraction": self.binding.valid_fraction}, inputs)
        collected = self.run.one(place, spec)
        self.state.dataset = Dataset(collected.output("train.extxyz"), collected.output("valid.extxyz"))
        return collected

    def _train(self, place: str) -> TaskFolder:
        data = self.state.dataset
        assert data.train is not None
        assert data.valid is not None
        training = self.run.one(f"{place}/train", self.binding.train(data.train, data.valid, self.state.model))
        self.state.model = training.output("model")
        return training

    def _errors(self, place: str, name: str, model: Artifact, frames: Artifact, stage: int | None) -> TaskFolder:
        """Predict a labelled set and compare; with a stage, judge by the loop's limits."""
        spec = TaskSpec("predict", {}, {"model": model, "frames": frames}, resources_of(self.binding.resolved, "predict"))
        predicted = self.run.one(f"{place.rpartition('/')[0]}/predict-{name}", spec).output("predictions.extxyz")
        parameters = {"converge": self.binding.settings.converge.model_dump(mode="json"), "asked": {}}
        if stage is not None:
            asked = self.explorer.conditions(None if name == "test" else stage)
            parameters["asked"] = asked
        inputs = {"labelled": frames, "predicted": predicted}
        return self.run.one(f"{place}-{name}", TaskSpec("evaluate", parameters, inputs))

    def _student_md(self, at: Iteration, place: str) -> tuple[list[TaskFolder], TaskFolder | None]:
        """The student's own MD at the conditions of all stages so far; its frames, labelled by the teacher, judge it.

        They are then added to the training set: the next student learns from where this one went.
        """
        assert self.state.model is not None
        specs = [
            spec
            for stage in range(at.stage + 1)
            for spec in self.explorer.student_specs(stage, self.state.model, f"student-{at.number}")
        ]
        where = f"{place}/student-explore"
        md = [folder for folder in self.run.perform({where: specs}, EXPLORE_MIN_DONE)[where] if folder.done()]
        self.outcome.trajectories += [_trajectory(folder) for folder in md]
        inputs = _numbered("trajectory", [folder.output("trajectory.extxyz") for folder in md])
        count = self.binding.resolved.input.evaluate.test_frames
        sample = self.run.one(f"{place}/student-select", TaskSpec("sample", {"per_trajectory": count}, inputs))
        labels = self._label({f"{place}/student-label": sample})[f"{place}/student-label"]
        if not labels:
            return md, None
        collected = self._collect(f"{place}/student-collect", labels, {"selected": sample.output("selected.extxyz")})
        new = collected.output("new.extxyz")
        return md, self._errors(f"{place}/evaluate", "student-md", self.state.model, new, at.stage)

    def _decide(
        self,
        at: Iteration,
        place: str,
        select: TaskFolder,
        counts: TaskFolder,
        explored: list[TaskFolder],
        test: TaskFolder,
        prospective: TaskFolder | None,
        own_md: list[TaskFolder],
    ) -> Decision:
        inputs = {
            "selection": select.output("selection.json"),
            "counts": counts.output("counts.json"),
            "test": test.output("errors.json"),
            **_numbered("report", [folder.output("report.json") for folder in explored]),
            **_numbered("md", [folder.output("report.json") for folder in own_md]),
        }
        if prospective is not None:
            inputs["prospective"] = prospective.output("errors.json")
        parameters = {
            "iteration": at.round,
            "stage": at.stage,
            "stages": len(self.binding.settings.explore),
            "max_iterations": self.binding.settings.max_iterations,
            "budget_reached": self.budget.reached(),
        }
        folder = self.run.one(f"{place}/decide", TaskSpec("decide", parameters, inputs))
        content = _content(folder, "decision.json")
        return Decision(action=content["action"], reason=content["reason"])

    def _record(
        self,
        at: Iteration,
        select: TaskFolder,
        counts: TaskFolder,
        training: TaskFolder,
        test: TaskFolder,
        prospective: TaskFolder | None,
        decision: Decision,
    ) -> None:
        selection = _content(select, "selection.json")
        collected = _content(counts, "counts.json")
        self.outcome.iterations.append(
            {
                "loop": self.binding.name,
                "iteration": at.number,
                "stage": at.stage,
                "labels": {key: collected[key] for key in ("asked", "accepted", "rejected", "train", "valid")},
                "selected": selection["selected"],
                "gains": selection["gains"],
                "prospective": _content(prospective, "errors.json")["report"] if prospective is not None else None,
                "test": _content(test, "errors.json")["report"],
                "curve": _content(training, "training.json")["curve"],
                "decision": decision.action,
                "reason": decision.reason,
            }
        )
        self.outcome.write(self.run)


EXPLORE_MIN_DONE = 0.8
"""Part of a stage's trajectories that must have been run at all; those that a stop check ended count as run."""


def _trajectory(folder: TaskFolder) -> dict[str, Any]:
    report = _content(folder, "report.json")
    keys = ("name", "temperature_K", "finished", "stop_reason", "steps", "mean_temperature_K")
    return {key: report[key] for key in keys}


def _numbered(name: str, artifacts: list[Artifact]) -> dict[str, Artifact]:
    return {f"{name}{index}": artifact for index, artifact in enumerate(artifacts)}


def _content(folder: TaskFolder, name: str) -> dict[str, Any]:
    path: Path = folder.path / "outputs" / name
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
