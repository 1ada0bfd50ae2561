"""``student: auto``: fit, judge and time all candidates on the first iteration's frames, and choose for good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pfd.config.student_candidates import Candidate, candidates_of, is_open, needs_lammps
from pfd.errors import TaskFailed
from pfd.frames import read_frames
from pfd.models.auto_student import AutoSettings
from pfd.models.family import read_model
from pfd.models.least_squares import fit_memory_GB
from pfd.models.training import make_family
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.workflow.bindings import Binding, Distill, fit_spec, resources_of, timing_resources
from pfd.workflow.outcome import Outcome
from pfd.workflow.run_folder import RunFolder
from pfd.workflow.turn import Dataset, LoopState, content_of

DEFAULT_ATOMS = 512
"""Atoms of the timed system where ``evaluate.speed_atoms`` is 0: without a speed there is nothing to choose by."""


def settle_student(
    run: RunFolder, binding: Binding, state: LoopState, asked: dict[str, Any], stage: int, outcome: Outcome
) -> None:
    """If the student is still open, compare the candidates; the loop goes on with the one that is chosen.

    Args:
        run: where tasks are performed.
        binding: of the loop.
        state: its labelled frames and its test set.
        asked: the conditions that ``converge`` must hold for.
        stage: the last stage whose conditions count.
        outcome: where the candidates are noted.
    """
    if not isinstance(binding, Distill) or not is_open(binding.resolved):
        return
    assert state.test is not None
    trials = StudentTrials(run, binding, f"{binding.name}/students")
    chosen, outcome.students = trials.choose(state.dataset, state.test, asked, stage)
    binding.take_student(chosen)


class StudentTrials:
    """The candidates of one run.

    Args:
        run: where tasks are performed.
        binding: of the loop; its student is open.
        place: the folder of the run that they stand in.
    """

    def __init__(self, run: RunFolder, binding: Distill, place: str) -> None:
        self._run, self._binding, self._resolved, self._place = run, binding, binding.resolved, place
        self._candidates = self._known_candidates()

    def choose(self, data: Dataset, test: Artifact, asked: dict[str, Any], stage: int) -> tuple[Candidate, list[Any]]:
        """The chosen candidate, and a record of each (``StudentTrial``).

        The choice is a task whose identity is the frames, the candidates and which of them failed, not what a clock
        said: the same run never chooses anew, but if a candidate that was lost is done after all (``pfd resubmit``).

        Args:
            data: labelled frames so far.
            test: distillation's test set.
            asked: see ``settle_student``.
            stage: see ``settle_student``.

        Raises:
            TaskFailed: if no candidate could be fitted.
        """
        converge = self._settings.converge.model_dump(mode="json")
        judged = {"converge": converge, "asked": asked, "up_to_stage": stage}
        tried = [self._trial(candidate, data, test, judged) for candidate in self._candidates]
        names = [
            {"family": each.family.name, "settings": each.settings.model_dump(mode="json")} for each in self._candidates
        ]
        failed = [each["name"] for each in tried if "failed" in each]
        spec = TaskSpec(
            "choose_student",
            {"settings": {"candidates": names, "judged": judged} | ({"failed": failed} if failed else {})},
            {**data.inputs(), "test": test},
            how={"tried": tried},
        )
        spec = self._binding.joined(spec)
        folder = self._run.one(f"{self._place}/choose", spec)
        choice = content_of(folder, "choice.json")
        self._run.journal.write("student_chosen", **choice)
        self._run.say(self._place, f"student: {choice['reason']}")
        return self._candidates[choice["index"]], choice["students"]

    def _known_candidates(self) -> list[Candidate]:
        """Those that the input names; else those that were there when the run first asked.

        What is there changes with the machine, and a run that goes on elsewhere must not choose anew for it.
        """
        assert isinstance(self._resolved.fitting, AutoSettings)
        if self._resolved.fitting.families is not None:
            return candidates_of(self._resolved)
        spec = TaskSpec("list_students", {"settings": {"lammps": bool(needs_lammps(self._resolved))}})
        if self._run.known(self._run.identity(spec)) is None:
            there = [{"family": each.family.name, "size": dict(each.size)} for each in candidates_of(self._resolved)]
            spec = replace(spec, how={"students": there})
        students = content_of(self._run.one(f"{self._place}/candidates", spec), "students.json")["students"]
        return [Candidate.of(make_family(each["family"]), each["size"]) for each in students]

    @property
    def _settings(self) -> Any:
        assert self._resolved.input.distill is not None
        return self._resolved.input.distill

    def _trial(self, candidate: Candidate, data: Dataset, test: Artifact, judged: dict[str, Any]) -> dict[str, Any]:
        """Fit, score and time one candidate; one that cannot be fitted is left out of the choice, and said."""
        told: dict[str, Any] = {"name": candidate.name, "family": candidate.family.name}
        if (reason := self._too_large(candidate, data)) is not None:
            self._run.say(self._place, f"{candidate.name} is left out: {reason}")
            return told | {"failed": reason}
        place = f"{self._place}/{candidate.name.replace(' ', '-')}"
        assert data.train is not None
        assert data.valid is not None
        resources = resources_of(self._resolved, "train")
        spec = self._binding.joined(fit_spec(candidate.family, candidate.settings, data.train, data.valid, resources))
        try:
            model = self._fit(f"{place}-train", spec)
            errors = self._errors(place, model, test, judged)
        except TaskFailed as error:
            self._run.say(self._place, f"{candidate.name} is left out: {error.what}")
            return told | {"failed": error.what}
        report = content_of(errors, "errors.json")
        keys = ("force_rmse_meV_per_A", "force_rmse_relative", "energy_rmse_meV_per_atom")
        told |= {"parameters": read_model(model.path).card.parameters, "passed": report["passed"]}
        told |= {key: report["report"][key] for key in keys}
        return told | self._speed(place, model, test)

    def _too_large(self, candidate: Candidate, data: Dataset) -> str | None:
        """Why a fit is not tried: it would hold more memory than a training may."""
        assert data.train is not None
        elements = {symbol for frame in read_frames(data.train.path) for symbol in frame.get_chemical_symbols()}
        count = candidate.family.coefficients(candidate.settings, len(elements))
        memory = self._resolved.input.resources.train.memory_GB
        if count is None or fit_memory_GB(count) <= memory:
            return None
        return f"a fit of {count} coefficients holds {fit_memory_GB(count):.0f} GB, and a training has {memory:g}"

    def _fit(self, place: str, spec: TaskSpec) -> Artifact:
        """The fitted model; a fit that used up its attempts is given up, and stays so until ``pfd resubmit``.

        Raises:
            TaskFailed: if there is none.
        """
        folder = self._run.perform({place: [spec]}, min_done=0.0)[place][0]
        result = folder.result()
        if result is not None and result.failure is not None:
            raise TaskFailed(result.failure.message, where=place)
        return folder.output("model")

    def _errors(self, place: str, model: Artifact, test: Artifact, judged: dict[str, Any]) -> TaskFolder:
        spec = TaskSpec("predict", {}, {"model": model, "frames": test}, resources_of(self._resolved, "predict"))
        predicted = self._run.one(f"{place}-predict", spec).output("predictions.extxyz")
        inputs = {"labelled": test, "predicted": predicted}
        return self._run.one(f"{place}-evaluate", TaskSpec("evaluate", judged, inputs))

    def _speed(self, place: str, model: Artifact, frames: Artifact) -> dict[str, Any]:
        """One candidate after the other, nothing beside it."""
        atoms = self._resolved.input.evaluate.speed_atoms or DEFAULT_ATOMS
        spec = TaskSpec("time", {"atoms": atoms}, {"model": model, "frames": frames}, timing_resources(self._resolved))
        result = self._run.one(f"{place}-time", spec).result()
        assert result is not None
        keys = ("us_per_atom_step", "failed")
        return {key: result.measured[key] for key in keys if key in result.measured}
