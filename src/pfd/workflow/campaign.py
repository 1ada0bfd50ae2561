"""A whole run from input to result: adopt the teacher, fine-tune, distil, compare all models on one test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pfd.config.reading import ResolvedInput, source_path
from pfd.config.teacher import check_brought_elements, tuning_files
from pfd.errors import DataError
from pfd.frames import read_frames
from pfd.label.external import ExternalSettings
from pfd.models.family import ModelCard, read_model
from pfd.models.training import check_elements
from pfd.tasks.folder import Artifact, Resources, TaskFolder, TaskSpec
from pfd.theory import compare_levels
from pfd.workflow.bindings import Distill, FineTune, fit_student, resources_of, timing_resources
from pfd.workflow.budget import Budget
from pfd.workflow.drift import measure_drift
from pfd.workflow.earlier import Earlier
from pfd.workflow.external import ExternalLabels
from pfd.workflow.label_model import adopt_label_model
from pfd.workflow.ledger import Ledger
from pfd.workflow.loop import Loop
from pfd.workflow.outcome import Compared, Outcome
from pfd.workflow.properties import Properties
from pfd.workflow.published import publish, withdraw
from pfd.workflow.run_folder import RunFolder
from pfd.workflow.turn import LoopState


class Campaign:
    """The order of everything in one run.

    Args:
        run: the run folder.
        resolved: the input.
        until: a step after which the run pauses, or None.
        earlier: what the run folder held before the input was edited.
    """

    def __init__(
        self, run: RunFolder, resolved: ResolvedInput, until: str | None = None, earlier: Earlier | None = None
    ) -> None:
        self.run, self.resolved, self.until = run, resolved, until
        self.input = resolved.input
        self._earlier = earlier if resolved.campaign.keep_labels else None
        self.budget = Budget(resolved.campaign, Ledger(run.path, resolved.input.resources.machine_cores()))
        self.outcome = Outcome(self.input.name, self.input.seed, self.budget, resolved)
        self.models: dict[str, Artifact] = {}
        self.properties = Properties(run, resolved)
        self._published: set[str] = set()

    def execute(self) -> Outcome:
        """Run everything that the input asks for.

        Raises:
            Paused: if ``until`` was reached, or frames wait for labels that are made by hand.
            PFDError: whatever ended the run.
        """
        pretrained = self.run.one("start/teacher/adopt", self._adopt_spec()).output("model")
        structures = self._structures()
        self._require_elements(pretrained, structures)
        tuned = distilled = None
        self.models["pretrained"] = pretrained
        if self.input.finetune is not None:
            tuned = self._fine_tune(pretrained, structures)
            self._publish("finetune", "finetuned", tuned)
            self._score_on_test(tuned, tuned)
        if self.input.distill is not None:
            teacher = self.models.get("finetuned", pretrained)
            distilled = self._distil(teacher, structures, tuned)
            self._publish("distill", "student", distilled)
            if tuned is not None and self.input.evaluate.scratch_student:
                self.models["scratch"] = self._scratch_student(tuned)
            self._score_on_test(tuned or distilled, tuned)
            self.outcome.student_vs_teacher = self.outcome.iterations[-1]["test"]
        reference = tuned or distilled
        assert reference is not None
        assert reference.test is not None
        if tuned is not None and self.input.evaluate.drift_elements:
            self._measure_drift(tuned)
        if self.input.evaluate.speed_atoms:
            self._time(structures if self.input.structures else reference.test)
        self.outcome.properties = self.properties.measure(self.models)
        if self.input.evaluate.test_file is not None:
            self._score_user_set(tuned, distilled)
        self.remove_unpublished()
        decisions = [state.decision for state in (tuned, distilled) if state is not None and state.decision is not None]
        self.outcome.end([decision.action == "converged" for decision in decisions])
        return self.outcome

    def _adopt_spec(self) -> TaskSpec:
        teacher = self.input.teacher
        parameters: dict[str, Any] = {"family": teacher.family, "source": teacher.model, "head": teacher.head}
        if teacher.trust_file:
            parameters["trust_file"] = True
        resources = resources_of(self.resolved, "other")
        if teacher.model in self.resolved.teacher.shipped:
            return TaskSpec("adopt", parameters, {}, resources)
        kept = self.run.keep_input(source_path(self.resolved, teacher.model, "teacher.model"))
        return TaskSpec("adopt", parameters | {"source": Path(teacher.model).name}, {"checkpoint": kept}, resources)

    def _structures(self) -> Artifact:
        entries, inputs = [], {}
        for index, entry in enumerate(self.input.structures):
            source = source_path(self.resolved, entry.file, f"structures.{index}.file")
            entries.append(entry.model_dump(mode="json") | {"file": entry.file.name})
            inputs[f"file{index}"] = self.run.keep_input(source)
            if entry.interface is not None:
                key = f"structures.{index}.interface.file"
                inputs[f"substrate{index}"] = self.run.keep_input(source_path(self.resolved, entry.interface.file, key))
                entries[-1]["interface"]["file"] = entry.interface.file.name
        folder = self.run.one("start/structures/build", TaskSpec("structures", {"structures": entries}, inputs))
        return folder.output("frames.extxyz")

    def _require_elements(self, pretrained: Artifact, structures: Artifact) -> None:
        """Refuse structures, and what the user brings, that the teacher does not know before any is explored.

        ``check_input`` has done so already where reading the card is cheap, which it is not if that imports torch.
        """
        card = read_model(pretrained.path).card
        if self.input.teacher.model not in self.resolved.teacher.shipped:
            check_brought_elements(self.resolved, card)
        check_elements(card, read_frames(structures.path), where=f"{self.resolved.file}: structures")

    def _fine_tune(self, pretrained: Artifact, structures: Artifact) -> LoopState:
        assert self.input.finetune is not None
        label_model = adopt_label_model(self.run, self.resolved, read_frames(structures.path))
        files = {name: self.run.keep_input(path) for name, path in tuning_files(self.resolved).items()}
        labeler = self.resolved.labeler
        external = ExternalLabels(self.run.path, labeler) if isinstance(labeler, ExternalSettings) else None
        binding = FineTune(self.resolved, self.input.finetune, pretrained, label_model, files, external)
        if label_model is None:
            self._say_levels(read_model(pretrained.path).card, binding)
        held = self.properties if self.input.finetune.converge.properties else None
        loop = Loop(self.run, binding, structures, self.budget, self.until, self.outcome, self._earlier, held)
        brought = self._brought(binding) if self.input.data else []
        tuned = loop.execute(brought, self.input.finetune.initial == "label")
        self.properties.label(binding, self.budget)
        return tuned

    def _say_levels(self, card: ModelCard, binding: FineTune) -> None:
        """Say how the labels' level of theory compares with the model's, before any of them is paid for."""
        found = compare_levels(card.level_of_theory, binding.level_of_theory())
        self.run.journal.write("level_of_theory", kind=found.kind, words=found.words)
        if found.kind == "different":
            self.run.say("start", f"level of theory: {found.words}")

    def _brought(self, binding: FineTune) -> list[Artifact]:
        """The user's labelled sets, all of the labeler's level of theory."""
        level = binding.level_of_theory()
        sets = []
        for index, entry in enumerate(self.input.data):
            if entry.level_of_theory not in {None, level}:
                raise DataError(
                    f"labels of {entry.level_of_theory!r} cannot be trained on beside labels of {level!r}",
                    where=f"data.{index}",
                    hint="label with the same method, or leave this set out",
                )
            source = source_path(self.resolved, entry.file, f"data.{index}.file")
            parameters = {
                "name": f"data-{index}",
                "format": entry.format,
                "labels": dict(entry.labels),
                "level_of_theory": level,
            }
            resources = resources_of(self.resolved, "other")
            spec = TaskSpec("data", parameters, {"file": self.run.keep_input(source)}, resources)
            sets.append(self.run.one(f"start/data-{index}/read", spec).output("frames.extxyz"))
        return sets

    def _distil(self, teacher: Artifact, structures: Artifact, tuned: LoopState | None) -> LoopState:
        """Distil; the teacher labels what fine-tuning has explored at no cost, and the student needs the wider view.

        What fine-tuning was trained on, the student is trained on too, with its own labels; what fine-tuning is tested
        on, the student is tested on too: it must not train on it.
        """
        assert self.input.distill is not None
        labels = tuned.trained.inputs().values() if tuned is not None else ()
        binding = Distill(self.resolved, self.input.distill, teacher, list(labels))
        free = Budget(type(self.resolved.campaign)())
        held = self.properties if self.input.distill.converge.properties else None
        loop = Loop(self.run, binding, structures, free, self.until, self.outcome, properties=held)
        explored = tuned.explored if tuned is not None else []
        tested = [tuned.test] if tuned is not None and tuned.test is not None else []
        state = loop.execute([], label_start=False, candidates=explored, held=tested)
        self.resolved = binding.resolved  # with the student that was chosen, if it was open
        return state

    def _scratch_student(self, tuned: LoopState) -> Artifact:
        """The same student on the first-principles labels alone: what distillation is compared with."""
        assert tuned.trained.train is not None
        assert tuned.trained.valid is not None
        spec = fit_student(self.resolved, tuned.trained.train, tuned.trained.valid)
        return self.run.one("evaluate/scratch/train", spec).output("model")

    def _score_on_test(self, reference: LoopState, tuned: LoopState | None) -> None:
        """Score every model that has not been yet on the one fixed test set, and say so in the summary."""
        assert reference.test is not None
        for key, model in self.models.items():
            if key not in self.outcome.models:
                errors = self._score(key, model, reference.test, self._shift_frames(key, tuned))
                self.outcome.add(key, Compared.of(model, errors))
        self.outcome.write(self.run)

    def _shift_frames(self, key: str, tuned: LoopState | None) -> Artifact | None:
        """What the pre-trained model's energy shift is fitted on; other models have theirs in their weights."""
        return tuned.trained.train if key == "pretrained" and tuned is not None else None

    def _score(
        self, key: str, model: Artifact, frames: Artifact, shift: Artifact | None, name: str = "test"
    ) -> TaskFolder:
        place = f"evaluate/{name}-{key}"
        resources = resources_of(self.resolved, "predict")
        inputs = {"labelled": frames, "predicted": self._predict(place, model, frames, resources)}
        if shift is not None:
            inputs |= {
                "shift_labelled": shift,
                "shift_predicted": self._predict(f"{place}-shift", model, shift, resources),
            }
        return self.run.one(f"{place}/errors", TaskSpec("evaluate", {"converge": None, "asked": {}}, inputs))

    def _predict(self, place: str, model: Artifact, frames: Artifact, resources: Resources) -> Artifact:
        spec = TaskSpec("predict", {}, {"model": model, "frames": frames}, resources)
        return self.run.one(f"{place}/predict", spec).output("predictions.extxyz")

    def _score_user_set(self, tuned: LoopState | None, distilled: LoopState | None) -> None:
        """Score the user's own set, and again without those of its frames that were trained on."""
        settings = self.input.evaluate
        assert settings.test_file is not None
        source = source_path(self.resolved, settings.test_file, "evaluate.test_file")
        parameters = {"name": "test", "format": None, "labels": dict(settings.test_labels), "level_of_theory": None}
        spec = TaskSpec("data", parameters, {"file": self.run.keep_input(source)})
        frames = self.run.one("start/test-file/read", spec).output("frames.extxyz")
        trained_on = [part for state in (tuned, distilled) if state for part in state.trained.inputs().values()]
        inputs = {"frames": frames} | {f"seen{index}": part for index, part in enumerate(trained_on)}
        compared = self.run.one("start/test-file/overlap", TaskSpec("overlap", {}, inputs))
        apart = compared.output("apart.extxyz") if self.outcome.add_user_test(compared) else None
        for key, model in self.models.items():
            shift = self._shift_frames(key, tuned)
            self.outcome.add_user_errors(key, self._score(key, model, frames, shift, "user-test"))
            if apart is not None:
                self.outcome.add_apart(key, self._score(key, model, apart, shift, "user-test-apart"))

    def _measure_drift(self, tuned: LoopState) -> None:
        pretrained, finetuned = self.models["pretrained"], self.models["finetuned"]
        count, resources = self.input.evaluate.drift_elements, resources_of(self.resolved, "predict")
        self.outcome.drift = measure_drift(self.run, pretrained, finetuned, tuned.trained, count, resources)

    def _time(self, frames: Artifact) -> None:
        """One model after the other, nothing beside them, one thread each; students of one kind are equally fast."""
        resources = timing_resources(self.resolved)
        for key, model in self.models.items():
            if key not in {"finetuned", "student"} and not (key == "pretrained" and "finetuned" not in self.models):
                continue
            parameters = {"atoms": self.input.evaluate.speed_atoms}
            spec = TaskSpec("time", parameters, {"model": model, "frames": frames}, resources)
            result = self.run.one(f"evaluate/speed-{key}/time", spec).result()
            assert result is not None
            if "failed" in result.measured:
                self.run.journal.write("not_timed", model=key, message=result.measured["failed"])
            self.outcome.add_speed(key, result.measured)

    def _publish(self, loop: str, name: str, state: LoopState) -> None:
        """Copy a loop's data and model to where a user looks for them, as soon as the loop has ended."""
        assert state.model is not None
        self.models[name] = state.model
        parts = state.trained.inputs() | ({} if state.labels is None else {"labels": state.labels})
        parts |= {} if state.test is None else {"test": state.test}
        for part, artifact in parts.items():
            self._copy_out(artifact, f"data/{loop}-{part}.extxyz")
            self.outcome.add_data(loop, part, read_frames(artifact.path))
        for model in ("pretrained", name):
            self._copy_out(self.models[model], f"models/{model}")

    def _copy_out(self, artifact: Artifact, place: str) -> None:
        self._published.add(place)
        publish(artifact.path, self.run.path / place)

    def remove_unpublished(self) -> None:
        """Take away what an earlier submission published and this one does not have; the tasks' own outputs stay."""
        withdraw(self.run.path, self._published)
