"""The loop: explore, select, label, collect, train, evaluate, decide; once for fine-tuning, once for distillation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pfd.errors import TaskFailed
from pfd.evaluate.decision import Decision
from pfd.explore.settings import PoolSettings
from pfd.frames import read_frames
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec, numbered
from pfd.workflow.bindings import Binding, resources_of
from pfd.workflow.budget import Budget
from pfd.workflow.committee import ask_committee
from pfd.workflow.earlier import JOINED, Earlier
from pfd.workflow.exploration import Exploration
from pfd.workflow.labelling import Labelling
from pfd.workflow.outcome import Outcome
from pfd.workflow.preflight import preflight
from pfd.workflow.properties import Properties
from pfd.workflow.review import Review
from pfd.workflow.run_folder import RunFolder
from pfd.workflow.sampling import Sampling
from pfd.workflow.student_trials import settle_student
from pfd.workflow.turn import Dataset, Iteration, LoopState, Turn, content_of, trajectory_record, turn_record

OWN_MD = "student-md"
"""Set of frames of the own MD of a student."""


class Loop:
    """One loop of one run.

    Args:
        run: where tasks are performed.
        binding: who explores, labels and trains.
        structures: starting frames.
        budget: caps on labels.
        until: a step after which the run pauses, or None.
        outcome: where iterations, trajectories and rejected labels are noted; written after each iteration.
        earlier: labels of earlier inputs that are to stay in use.
        properties: physical properties that enter the decision, if they do.
    """

    def __init__(
        self,
        run: RunFolder,
        binding: Binding,
        structures: Artifact,
        budget: Budget,
        until: str | None,
        outcome: Outcome,
        earlier: Earlier | None = None,
        properties: Properties | None = None,
    ) -> None:
        self.run, self.binding, self.budget, self.until, self.outcome = run, binding, budget, until, outcome
        self.explorer = Exploration(run, binding, structures)
        self.structures = structures
        self.state = LoopState()
        self._candidates: list[Artifact] = []
        self._labelling = Labelling(run, binding, budget, outcome)
        self._sampling = Sampling(run, binding, self.explorer, budget)
        self._review = Review(run, binding)
        self._earlier, self._properties = earlier, properties
        self._deviations: list[Artifact] = []
        self._held: list[Artifact] = []
        self._tested: list[Artifact] = []
        self._preflown = False

    def execute(
        self,
        brought: list[Artifact],
        label_start: bool,
        candidates: Sequence[Artifact] = (),
        held: Sequence[Artifact] = (),
    ) -> LoopState:
        """Run iterations until the decision ends the loop.

        Args:
            brought: labelled sets of the user, trained on before exploring.
            label_start: whether the starting frames are labelled and trained on before exploring.
            candidates: trajectories explored before this loop; the first selection chooses from them as well.
            held: test sets of other loops, which nothing is trained on either.
        """
        self._held = list(held)
        self._candidates = list(candidates)
        settings = self.binding.settings
        self.run.journal.write(
            "loop", loop=self.binding.name, stages=len(settings.explore), max_iterations=settings.max_iterations
        )
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
            chosen = self._sampling.sample(f"{place}/select", [self.structures], [10**6], self.explorer.test_frames())
            self._pause_after("select")
            reviewed = self._review.of({f"{place}/label": chosen})
            chosen = reviewed[f"{place}/label"]
            self._preflight(reviewed)
            labels = self._labelling.label(reviewed)[f"{place}/label"]
            self._pause_after("label")
            selected = {"selected": chosen.output("selected.extxyz")}
        extra = {f"extra{index}": artifact for index, artifact in enumerate(brought)}
        self._collect(f"{place}/collect", labels, selected | extra)
        self._train(place)
        self._pause_after("train")

    def _iterate(self, at: Iteration) -> Decision:
        turn = Turn(at, f"{self.binding.name}/iter-{at.number:03d}", own=self.state.model is not None)
        test_explored = self._explore(turn)
        turn.select = self._select(turn.place, turn.explored)
        to_label = {f"{turn.place}/label": turn.select}
        if test_explored is not None:
            test = self._sampling.choose(test_explored)
            done = [folder for folder in test_explored if folder.done()]
            self._sampling.require_conditions(test.output("selected.extxyz"), "the trajectories gave", done)
            to_label[f"{self.binding.name}/test/label"] = test
        self._pause_after("select")  # with all that is to be labelled chosen, the test set too
        to_label = self._review.of(to_label)
        turn.reviewed = to_label[f"{turn.place}/label"]
        self._preflight(to_label)
        labels = self._labelling.label(to_label)
        if test_explored is not None:
            self.state.test = self._sampling.fix(to_label, labels, self.state.dataset)
        self._pause_after("label")
        before = self._model_before()
        selected = {"selected": turn.reviewed.output("selected.extxyz")}
        turn.collect = self._collect(f"{turn.place}/collect", labels[f"{turn.place}/label"], selected)
        if before is not None and content_of(turn.collect, "counts.json")["accepted"]:
            turn.prospective = self._errors(turn, "prospective", before, turn.collect.output("new.extxyz"))
        if self._deviations:
            inputs = {"labelled": turn.collect.output("new.extxyz")} | numbered("deviation", self._deviations)
            turn.calibration = self.run.one(f"{turn.place}/calibrate", TaskSpec("calibrate", {}, inputs))
        self._join_labels()
        asked = self.explorer.conditions(range(at.stage + 1))
        settle_student(self.run, self.binding, self.state, asked, at.stage, self.outcome)
        turn.train = self._train(turn.place)
        self._pause_after("train")
        assert self.state.test is not None
        assert self.state.model is not None
        turn.test = self._errors(turn, "test", self.state.model, self.state.test)
        if self.binding.student:
            self._student_md(turn, self.state.model)
        if self._properties is not None:
            turn.properties = self._properties.hold(turn.place, self.binding, self.budget, self.state.model)
        decision = self._decide(turn)
        self.outcome.iterations.append(turn_record(self.binding.name, turn, decision, self.budget.asked))
        self.outcome.write(self.run)
        return decision

    def _model_before(self) -> Artifact | None:
        """The model that new frames are predicted with before it trains on them.

        A student is judged by its own MD instead, where there is any; without, by its predecessor on new frames.
        """
        if not self.binding.student:
            return self.state.model or self.binding.teacher
        dynamics = any(group.dynamics for stage in self.binding.settings.explore for group in stage)
        return None if dynamics else self.state.model

    def _pause_after(self, step: str) -> None:
        if self.until == step:
            self.run.pause_after(step)

    def _explore(self, turn: Turn) -> list[TaskFolder] | None:
        """This stage's trajectories; with the first ones, those of the test set for all stages, which are returned."""
        at, place = turn.at, turn.place
        student = self.state.model if self.binding.student else None
        model = self.binding.teacher if self.binding.student else self.state.model or self.binding.teacher
        groups = {f"{place}/explore": self.explorer.specs(at.stage, model, f"{self.binding.name}-{at.number}", student)}
        test_place = f"{self.binding.name}/test/explore"
        if self.state.test is None:
            groups[test_place] = self.explorer.test_specs(model, f"{self.binding.name}-test")
        folders = self.run.perform(groups, min_done=self.explorer.min_success)
        done = {where: [folder for folder in group if folder.done()] for where, group in folders.items()}
        self._tested = [folder.output("trajectory.extxyz") for folder in done.get(test_place, [])] or self._tested
        self.outcome.trajectories += [trajectory_record(folder) for group in done.values() for folder in group]
        self.state.explored += [folder.output("trajectory.extxyz") for folder in done[f"{place}/explore"]]
        turn.explored = done[f"{place}/explore"]
        turn.lost = len(folders[f"{place}/explore"]) - len(turn.explored)
        return folders.get(test_place)

    def _select(self, place: str, explored: list[TaskFolder]) -> TaskFolder:
        own = [folder.output("trajectory.extxyz") for folder in explored]
        trajectories = own + self._candidates
        self._candidates = []
        self._deviations = ask_committee(self.run, self.binding, self.state, place, own)
        struck = self._review.struck
        spec = self._select_spec(trajectories, struck)
        if not self._review.earlier <= struck and self.run.known(self.run.identity(spec)) is None:
            struck |= self._review.earlier
            spec = self._select_spec(trajectories, struck)
        if self._earlier is not None and self.run.identity(spec) not in self._earlier.selections:
            self._join_earlier(place, self.run.identity(spec), self._earlier)
            spec = self._select_spec(trajectories, struck)
        return self.run.one(f"{place}/select", spec)

    def _select_spec(self, trajectories: list[Artifact], struck: Collection[str]) -> TaskSpec:
        inputs = numbered("trajectory", trajectories)
        inputs |= numbered("reference", list(self.state.dataset.inputs().values()))
        inputs |= numbered("deviation", self._deviations)
        settings = self.binding.settings.select
        reserve = 0 if self.state.test is not None else self.explorer.test_frames()
        limit = min(settings.max_frames, self.budget.left(reserve))
        parameters = {"settings": settings.model_dump(mode="json"), "limit": limit}
        parameters |= {"struck": sorted(struck)} if struck else {}
        return TaskSpec("select", parameters, inputs, resources_of(self.binding.resolved, "select"))

    def _join_earlier(self, place: str, selection: str, earlier: Earlier) -> None:
        """Train on labels of earlier inputs as well, from the first selection on that was not made before the edit.

        Up to there the run goes the way that it went, joins of earlier edits included; a selection that is new knows of
        all labels.
        """
        labels = earlier.joined.get(selection)
        if labels is None:
            labels, self._earlier = earlier.labels, None
        judged = self._labelling.earlier(place, labels)
        if judged is None:
            return
        chosen = [self.run.known(identity) for identity in sorted(earlier.selections)]
        inputs = {"label": judged.output("label")} | numbered("test", self._tested)
        inputs |= numbered("selected", [folder.output("selected.extxyz") for folder in chosen if folder is not None])
        origins = self.run.one(f"{place}/earlier-origins", TaskSpec("origins", {}, inputs)).output("selected.extxyz")
        frames = len(read_frames(origins.path))
        if frames:  # else all of them may be tested on now
            self._collect(f"{place}/earlier-collect", [judged], {"selected": origins})
        self.outcome.kept_labels += frames
        self.run.journal.write(JOINED, selection=selection, labels=sorted(labels), frames=frames)

    def _preflight(self, chosen: dict[str, TaskFolder]) -> None:
        """Once before the first labels: say how far they are from those of finer settings."""
        if self._preflown:
            return
        self._preflown = True
        changes = preflight(self.run, self.binding, self.budget, chosen)
        self.outcome.preflight += [change.model_dump(mode="json") for change in changes]
        for change in changes:
            self.run.journal.write("preflight", **change.model_dump(mode="json"), words=change.in_words())
            self.run.say("finetune/preflight", f"preflight: {change.in_words()}")

    def _collect(self, place: str, labels: list[TaskFolder], inputs: dict[str, Artifact]) -> TaskFolder:
        """Add newly labelled frames to the data; ``place`` is the folder of the collecting task."""
        inputs = inputs | numbered("label", [folder.output("label") for folder in labels]) | self.state.dataset.inputs()
        inputs |= {} if self.state.test is None else {"test": self.state.test}
        inputs |= numbered("held", self._held) | numbered("beside", self.binding.beside)
        spec = TaskSpec("collect", {"valid_fraction": self.binding.valid_fraction}, inputs)
        collected = self.run.one(place, spec)
        self.state.dataset = Dataset(collected.output("train.extxyz"), collected.output("valid.extxyz"))
        if not content_of(collected, "counts.json")["train"]:
            hint = "look at the trajectories' stop reasons; raise finetune.label.max_total if the test set takes it all"
            raise TaskFailed("no frame was found to train on", where=place, hint=hint)
        return collected

    def _join_labels(self) -> None:
        """Have the labels of ``Binding.beside`` trained on, without frames (and near twins) that are tested on.

        They stand in a set of their own: labels of two levels of theory never mix in a file.
        """
        if not self.binding.beside or self.state.labels is not None:
            return
        assert self.state.test is not None
        inputs = numbered("extra", self.binding.beside) | numbered("held", [self.state.test, *self._held])
        spec = TaskSpec("collect", {"valid_fraction": 0.0}, inputs)
        labels = self.run.one(f"{self.binding.name}/labels/collect", spec)
        if content_of(labels, "counts.json")["train"]:
            self.state.labels = self.binding.labels = labels.output("train.extxyz")

    def _train(self, place: str) -> TaskFolder:
        data = self.state.dataset
        assert data.train is not None
        assert data.valid is not None
        training = self.run.one(f"{place}/train", self.binding.train(data.train, data.valid, self.state.model))
        self.state.model, self.state.trained = training.output("model"), data
        return training

    def _errors(self, turn: Turn, name: str, model: Artifact, frames: Artifact) -> TaskFolder:
        """Predict a labelled set, compare, and judge: the test set by all stages so far, other sets by this one.

        A later stage's conditions are no concern of an earlier one: it may not even be able to reach them.
        """
        spec = TaskSpec(
            "predict", {}, {"model": model, "frames": frames}, resources_of(self.binding.resolved, "predict")
        )
        predicted = self.run.one(f"{turn.place}/predict-{name}", spec).output("predictions.extxyz")
        stages = range(turn.at.stage + 1) if name == "test" else [turn.at.stage]
        parameters = {
            "converge": self.binding.settings.converge.model_dump(mode="json"),
            "asked": self.explorer.conditions(stages, of_dynamics=name == OWN_MD),
            "up_to_stage": turn.at.stage,
        }
        inputs = {"labelled": frames, "predicted": predicted}
        return self.run.one(f"{turn.place}/evaluate-{name}", TaskSpec("evaluate", parameters, inputs))

    def _student_md(self, turn: Turn, student: Artifact) -> None:
        """The student's own MD at the conditions of all stages so far; its frames, labelled by the teacher, judge it.

        They are then added to the training set: the next student learns from where this one went.
        """
        specs = [
            spec
            for stage in range(turn.at.stage + 1)
            for spec in self.explorer.student_specs(stage, student, f"student-{turn.at.number}")
        ]
        if not specs:
            return
        where = f"{turn.place}/student-explore"
        runs = self.run.perform({where: specs}, self.explorer.min_success)[where]
        turn.own_md = [folder for folder in runs if folder.done()]
        turn.own_lost = len(runs) - len(turn.own_md)
        self.outcome.trajectories += [trajectory_record(folder) for folder in turn.own_md]
        trajectories = [folder.output("trajectory.extxyz") for folder in turn.own_md]
        wanted = [self.binding.resolved.input.evaluate.test_frames] * len(trajectories)
        sample = turn.own_frames = self._sampling.sample(f"{turn.place}/student-select", trajectories, wanted)
        labels = self._labelling.label({f"{turn.place}/student-label": sample})[f"{turn.place}/student-label"]
        if labels:
            selected = {"selected": sample.output("selected.extxyz")}
            collected = self._collect(f"{turn.place}/student-collect", labels, selected)
            turn.prospective = self._errors(turn, OWN_MD, student, collected.output("new.extxyz"))

    def _decide(self, turn: Turn) -> Decision:
        assert turn.select is not None
        assert turn.collect is not None
        assert turn.test is not None
        inputs = {
            "selection": turn.select.output("selection.json"),
            "counts": turn.collect.output("counts.json"),
            "test": turn.test.output("errors.json"),
            **numbered("report", [folder.output("report.json") for folder in turn.explored]),
            **numbered("md", [folder.output("report.json") for folder in turn.own_md]),
        }
        for name, folder, file in (
            ("prospective", turn.prospective, "errors.json"),
            ("own", turn.own_frames, "selection.json"),
            ("properties", turn.properties, "held.json"),
        ):
            inputs |= {} if folder is None else {name: folder.output(file)}
        parameters = {
            "iteration": turn.at.round,
            "stage": turn.at.stage,
            "stages": len(self.binding.settings.explore),
            "max_iterations": self.binding.settings.max_iterations,
            "budget_reached": self.budget.reached(),
            "explored_by_own": turn.own or self.binding.student or self._only_pools(turn.at.stage),
        }
        lost = {"exploration_lost": turn.lost, "student_md_lost": turn.own_lost}
        parameters |= {key: count for key, count in lost.items() if count}
        decided = self.run.one(f"{turn.place}/decide", TaskSpec("decide", parameters, inputs))
        content = content_of(decided, "decision.json")
        return Decision(action=content["action"], reason=content["reason"])

    def _only_pools(self, stage: int) -> bool:
        return all(isinstance(group, PoolSettings) for group in self.binding.settings.explore[stage])
