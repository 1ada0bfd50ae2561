"""The physical properties of a run's models: measured, compared with their references, held against their limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pfd.config.properties import command_files, models_made, properties_of, property_files
from pfd.config.reading import ResolvedInput
from pfd.evaluate.properties.observable import Observable
from pfd.evaluate.properties.property import Measured, Property
from pfd.evaluate.properties.results import PropertyResult, property_result
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec, numbered
from pfd.tasks.steps.measuring import NAME, read_measured
from pfd.wording import counted
from pfd.workflow.bindings import Binding, resources_of
from pfd.workflow.budget import Budget
from pfd.workflow.ledger import PROPERTIES_PLACE
from pfd.workflow.run_folder import RunFolder

PLACE = "evaluate/properties"


class Properties:
    """The properties that the input asks for.

    Args:
        run: where tasks are performed.
        resolved: the input.
    """

    def __init__(self, run: RunFolder, resolved: ResolvedInput) -> None:
        self._run, self._resolved = run, resolved
        self._entries = properties_of(resolved)
        self._made = models_made(resolved)
        self._labelled: dict[int, TaskFolder] = {}

    def label(self, binding: Binding, budget: Budget) -> None:
        """Have the cells labelled whose labels are a reference; they count for core hours, not for ``max_total``.

        A label that is rejected, or that no core hours are left for, leaves the reference without numbers.
        """
        for number, (key, settings) in enumerate(self._entries):
            if settings.reference != "label" or number in self._labelled:
                continue
            parameters, inputs = {"settings": settings.parameters()}, self._files(key, settings)
            made = self._run.one(f"{PROPERTIES_PLACE}/cells", TaskSpec("cells", parameters, inputs))
            frames = sorted((made.path / "outputs" / "frames").iterdir())
            labels = self._labels(frames, binding, budget, settings.title())
            inputs |= {"cells": made.output("frames")} | numbered("label", labels)
            spec = TaskSpec("labelled_property", parameters, inputs)
            self._labelled[number] = self._run.one(f"{PROPERTIES_PLACE}/measure", spec)

    def _labels(self, frames: list[Path], binding: Binding, budget: Budget, title: str) -> list[Artifact]:
        if not budget.affords(len(frames)):
            self._run.say(PROPERTIES_PLACE, f"{title}: no core hours are left to label its {len(frames)} cells")
            return []
        specs = [binding.label(Artifact.of(frame)) for frame in frames]
        specs = specs if budget.ledger is None else budget.ledger.settle(specs, binding.aids())
        self._run.say(PROPERTIES_PLACE, f"{title}: {counted(len(specs), 'cell')} labelled as its reference")
        place = f"{PROPERTIES_PLACE}/label"
        folders = self._run.perform({place: specs}, min_done=0.0)[place]
        budget.spend(folders)
        return [folder.output("label") for folder in folders if folder.done()]

    def measure(self, models: Mapping[str, Artifact]) -> list[PropertyResult]:
        """Measure what is asked of each model: one group of tasks, in which a failure loses nothing else.

        Args:
            models: ``pretrained``, ``finetuned``, ``student`` -> model folder.
        """
        asked = [
            (number, name)
            for number, (_, settings) in enumerate(self._entries)
            for name in settings.measured_of(models)
        ]
        found = self._perform(PLACE, [(number, models[name]) for number, name in asked])
        results = []
        for number, (_, settings) in enumerate(self._entries):
            of_models: dict[str, Measured] = {
                name: _content(folder) for (which, name), folder in zip(asked, found, strict=True) if which == number
            }
            labelled = self._labelled.get(number)
            results.append(property_result(settings, of_models, None if labelled is None else _content(labelled)))
        return results

    def hold(self, place: str, binding: Binding, budget: Budget, model: Artifact) -> TaskFolder:
        """Measure those that have limits of a loop's model, and hold them against these.

        Args:
            place: of the iteration.
            binding: of the loop; in fine-tuning it labels the references first.
            budget: caps on labels.
            model: what the loop has trained.
        """
        name = "student" if binding.student else "finetuned"
        if not binding.student:
            self.label(binding, budget)
        chosen = [
            number
            for number, (_, settings) in enumerate(self._entries)
            if settings.judged() and name in settings.measured_of(self._made)
        ]
        found = self._perform(place, [(number, model) for number in chosen])
        labelled = [number for number in chosen if number in self._labelled]
        inputs = numbered("property", [folder.output(NAME) for folder in found])
        inputs |= numbered("reference", [self._labelled[number].output(NAME) for number in labelled])
        parameters = {
            "properties": [self._entries[number][1].model_dump(mode="json") for number in chosen],
            "references": {str(chosen.index(number)): which for which, number in enumerate(labelled)},
        }
        return self._run.one(f"{place}/hold", TaskSpec("hold", parameters, inputs))

    def _perform(self, place: str, asked: list[tuple[int, Artifact]]) -> list[TaskFolder]:
        where = f"{place}/measure"
        specs = [self._spec(number, model) for number, model in asked]
        return self._run.perform({where: specs}, min_done=0.0)[where] if specs else []

    def _spec(self, number: int, model: Artifact) -> TaskSpec:
        key, settings = self._entries[number]
        inputs = {"model": model} | self._files(key, settings)
        inputs |= numbered(
            "file", [self._run.keep_input(path) for path in command_files(self._resolved, key, settings)]
        )
        how = {"wall_time": settings.wall_time} if isinstance(settings, Observable) else {}
        resources = resources_of(self._resolved, "predict")
        return TaskSpec("property", {"settings": settings.parameters()}, inputs, resources, how)

    def _files(self, key: str, settings: Property) -> dict[str, Artifact]:
        files = property_files(self._resolved, key, settings)
        return {name: self._run.keep_input(path) for name, path in files.items()}


def _content(folder: TaskFolder) -> Measured:
    """What a task found; a task that was given up found nothing."""
    if not folder.done():
        result = folder.result()
        why = "" if result is None or result.failure is None else f" ({result.failure.message.splitlines()[0]})"
        return Measured(failed=f"its task did not finish{why}; pfd resubmit tries it again")
    return read_measured(folder.path / "outputs" / NAME)
