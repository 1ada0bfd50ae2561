"""The two bindings of the loop: who explores, who labels and what is trained, in fine-tuning and in distillation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pfd.config.reading import ResolvedInput, source_path
from pfd.config.resources import StepResources
from pfd.config.sections import DistillSettings, LoopSettings
from pfd.config.student_candidates import Candidate
from pfd.errors import PFDError
from pfd.explore.settings import PoolSettings
from pfd.label.labeler import AcceptanceRules, Finer, Labeler, LabelerSettings, make_labeler
from pfd.models.family import Family
from pfd.settings import Settings
from pfd.tasks.folder import Artifact, Resources, TaskSpec
from pfd.tasks.steps.labelling import level_of_model
from pfd.units import seconds
from pfd.workflow.external import ExternalLabels

if TYPE_CHECKING:
    from ase import Atoms


class Binding(ABC):
    """What tells one loop from the other; the loop itself does not ask which it serves.

    Args:
        resolved: the input.
        settings: the loop's section.
        teacher: model folder of the pre-trained model (fine-tuning) or of the teacher (distillation).
    """

    name: Literal["finetune", "distill"]
    student: bool
    """Whether the trained model's own MD is checked, and is not there before the first training."""
    labels: Artifact | None = None
    """What the sets of ``beside`` hold that nothing is tested on; the loop finds it before its first training."""

    def __init__(self, resolved: ResolvedInput, settings: LoopSettings, teacher: Artifact) -> None:
        self.resolved, self.settings, self.teacher = resolved, settings, teacher

    @abstractmethod
    def label(self, frame: Artifact, settings: LabelerSettings | None = None) -> TaskSpec:
        """The task that labels one frame; with other settings than the input's, if they are given."""

    @property
    def beside(self) -> Sequence[Artifact]:
        """Labelled sets that are trained on beside what this loop labels."""
        return ()

    def awaits(self, frames: Sequence[Path]) -> str:
        """What the user is to do before these frames can be labelled; nothing if they can be."""
        return ""

    def finer(self, frames: Sequence[Atoms]) -> Sequence[Finer]:
        """The labeler's settings one step finer, if labels are to be compared with such before they are paid for."""
        return ()

    def refuses(self, frame: Atoms, settings: LabelerSettings) -> str:
        """Why a frame cannot be labelled with such settings; nothing if it can."""
        return ""

    def aids(self) -> dict[str, Any]:
        """The labeler's settings with which a rejected frame is tried again if they change (``Labeler.aids``)."""
        return {}

    @property
    def accept(self) -> AcceptanceRules:
        """When a label may be trained on."""
        return AcceptanceRules()

    @property
    def gated(self) -> bool:
        """Whether the data gate looks at the labels (``Labeler.foreign``)."""
        return False

    @abstractmethod
    def train(self, train: Artifact, valid: Artifact, current: Artifact | None) -> TaskSpec:
        """The task that trains; ``current`` is the last iteration's model."""

    @property
    @abstractmethod
    def valid_fraction(self) -> float:
        """Part of the labels kept for validation."""

    @property
    @abstractmethod
    def min_success(self) -> float:
        """Part of the labels that must be accepted."""


class FineTune(Binding):
    """First principles label; the pre-trained model is trained further.

    Args:
        resolved: the input.
        settings: the loop's section.
        teacher: model folder of the pre-trained model.
        label_model: model folder of the model that labels in the place of first principles (``method: family``).
        files: field of the training's settings -> the file that it names (see ``tuning_files``).
        external: labels that were put back by hand (``method: external``).
    """

    name = "finetune"
    student = False

    def __init__(
        self,
        resolved: ResolvedInput,
        settings: LoopSettings,
        teacher: Artifact,
        label_model: Artifact | None = None,
        files: Mapping[str, Artifact] | None = None,
        external: ExternalLabels | None = None,
    ) -> None:
        super().__init__(resolved, settings, teacher)
        self._files = dict(files or {})
        self._label_model = {} if label_model is None else {"model": label_model}
        self._external = external

    def awaits(self, frames: Sequence[Path]) -> str:
        """See ``Binding.awaits``."""
        return "" if self._external is None else self._external.missing(frames)

    def finer(self, frames: Sequence[Atoms]) -> Sequence[Finer]:
        """See ``Binding.finer``."""
        return self._labeler.finer(frames) if self.resolved.campaign.preflight else ()

    def refuses(self, frame: Atoms, settings: LabelerSettings) -> str:
        """See ``Binding.refuses``."""
        try:
            make_labeler(settings.model_dump(mode="json")).check([frame])
        except PFDError as error:
            return error.what
        return ""

    def label(self, frame: Artifact, settings: LabelerSettings | None = None) -> TaskSpec:
        """See ``Binding.label``.

        What makes it this label is the frame and the level of theory (with files of stored labels or the model that
        labels, and ``Labeler.identity``). All other settings only say how to get there and stand outside the identity:
        an edit of them pays for no accepted label again. Acceptance rules are no part of the task at all; labels are
        judged afterwards. What the engine rejected under other settings is tried again: see ``Ledger.settle``.
        """
        stored = self.label_files()
        labeler = self._labeler if settings is None else make_labeler(settings.model_dump(mode="json"))
        how = labeler.settings.model_dump(mode="json", exclude={"accept"})
        if stored:
            how["files"] = []  # they are inputs of the task, known by their content
        fixed = {key: how.pop(key) for key in ("method", *sorted(labeler.identity))}
        level = self.level_of_theory() if settings is None else labeler.level_of_theory()
        by_hand = {} if self._external is None else self._external.label_of(frame)
        inputs = {"frame": frame, **stored, **by_hand, **self._label_model}
        return TaskSpec("label", {"settings": fixed, "level": level}, inputs, resources_of(self.resolved, "label"), how)

    def aids(self) -> dict[str, Any]:
        """See ``Binding.aids``."""
        return self._labeler.aids()

    @property
    def accept(self) -> AcceptanceRules:
        """See ``Binding.accept``."""
        return self._labeler.settings.accept

    @property
    def gated(self) -> bool:
        """See ``Binding.gated``."""
        return self._labeler.foreign

    def label_files(self) -> dict[str, Artifact]:
        """Files that the labeler looks labels up in: those it names, else the pools that are explored."""
        files = [str(file) for file in getattr(self.resolved.labeler, "files", ())]
        if not files and hasattr(self.resolved.labeler, "files"):
            groups = [group for stage in self.settings.explore for group in stage]
            files = [str(group.file) for group in groups if isinstance(group, PoolSettings)]
        paths = [source_path(self.resolved, file, "finetune.label.files") for file in files]
        return {f"stored{index}": Artifact.of(path) for index, path in enumerate(paths)}

    def level_of_theory(self) -> str:
        """The labeler's level of theory, in one line."""
        return self._level

    @cached_property
    def _labeler(self) -> Labeler:
        assert self.resolved.labeler is not None
        return make_labeler(self.resolved.labeler.model_dump(mode="json"))

    @cached_property
    def _level(self) -> str:
        if self._label_model:
            return level_of_model(self._label_model["model"].path)
        if stored := self.label_files():
            self._labeler.use_files([artifact.path for artifact in stored.values()])
        return self._labeler.level_of_theory()

    def train(self, train: Artifact, valid: Artifact, current: Artifact | None) -> TaskSpec:
        """See ``Binding.train``."""
        start = current if current is not None and self.resolved.train.continue_ else self.teacher
        resources = resources_of(self.resolved, "train")
        spec = _training(self.resolved.teacher, "fine_tune", self.resolved.tuning, train, valid, resources, start)
        spec.parameters["settings"] |= dict.fromkeys(self._files, "")  # known by their content, as inputs of the task
        return replace(spec, inputs=spec.inputs | self._files)

    @property
    def valid_fraction(self) -> float:
        """See ``Binding.valid_fraction``."""
        asked = self.resolved.train.valid_fraction
        return self.resolved.teacher.valid_fraction if asked is None else asked

    @property
    def min_success(self) -> float:
        """See ``Binding.min_success``."""
        return self.resolved.campaign.min_success


class Distill(Binding):
    """The teacher labels; a student is fitted from scratch, to first-principles labels that are there as well.

    Args:
        resolved: the input.
        settings: the loop's section.
        teacher: model folder of the teacher.
        first_principles: labels that the teacher was fine-tuned on.
    """

    name = "distill"
    student = True

    def __init__(
        self,
        resolved: ResolvedInput,
        settings: DistillSettings,
        teacher: Artifact,
        first_principles: Sequence[Artifact] = (),
    ) -> None:
        super().__init__(resolved, settings, teacher)
        self._first_principles = tuple(first_principles) if settings.label_times else ()
        self._label_times = settings.label_times

    @property
    def beside(self) -> Sequence[Artifact]:
        """See ``Binding.beside``."""
        return self._first_principles

    def joined(self, fit: TaskSpec) -> TaskSpec:
        """The task of a fit, or of a choice among fits, with the first-principles labels, as often as they count."""
        if self.labels is None:
            return fit
        times = {"label_times": self._label_times}
        return replace(fit, parameters=fit.parameters | times, inputs=fit.inputs | {"labels": self.labels})

    def take_student(self, candidate: Candidate) -> None:
        """Fit this student from now on (``student: auto``)."""
        self.resolved = replace(self.resolved, student=candidate.family, fitting=candidate.settings)

    def label(self, frame: Artifact, settings: LabelerSettings | None = None) -> TaskSpec:
        """See ``Binding.label``; a teacher has no settings."""
        assert settings is None
        return TaskSpec(
            "label",
            {"settings": {"method": "family"}},
            {"frame": frame, "model": self.teacher},
            resources_of(self.resolved, "predict"),
        )

    def train(self, train: Artifact, valid: Artifact, current: Artifact | None) -> TaskSpec:
        """See ``Binding.train``."""
        return self.joined(fit_student(self.resolved, train, valid))

    @property
    def valid_fraction(self) -> float:
        """See ``Binding.valid_fraction``."""
        assert self.resolved.input.distill is not None
        return self.resolved.input.distill.valid_fraction

    @property
    def min_success(self) -> float:
        """See ``Binding.min_success``."""
        return self.resolved.input.resources.predict.min_success


def fit_student(resolved: ResolvedInput, train: Artifact, valid: Artifact) -> TaskSpec:
    """The task that fits the input's student to labels, whoever made them."""
    assert resolved.student is not None
    return fit_spec(resolved.student, resolved.fitting, train, valid, resources_of(resolved, "train"))


def fit_spec(
    family: Family, settings: Settings | None, train: Artifact, valid: Artifact, resources: Resources
) -> TaskSpec:
    """The task that fits a model of the family from scratch."""
    return _training(family, "fit", settings, train, valid, resources)


def timing_resources(resolved: ResolvedInput) -> Resources:
    """What a task that times a model gets: one core, where models predict, since speeds are those of that machine."""
    where = resources_of(resolved, "predict")
    if where.job is None:
        return Resources(cores=1, memory_GB=4.0)
    one_node = where.job.model_copy(update={"nodes": 1})
    return where.model_copy(update={"cores": 1, "memory_GB": 4.0, "job": one_node})


def resources_of(resolved: ResolvedInput, step: str) -> Resources:
    """The resources of a step as tasks carry them."""
    section: StepResources = resolved.input.resources.of(step)
    walltime = None if section.walltime is None else seconds(section.walltime)
    return Resources(
        cores=section.cores,
        memory_GB=section.memory_GB,
        walltime_s=walltime,
        gpus=section.gpus,
        device=section.device,
        job=section.request(),
    )


def _training(
    family: Family,
    mode: str,
    settings: Settings | None,
    train: Artifact,
    valid: Artifact,
    resources: Resources,
    start: Artifact | None = None,
) -> TaskSpec:
    assert settings is not None
    parameters: dict[str, Any] = {"family": family.name, "mode": mode, "settings": settings.model_dump(mode="json")}
    inputs = {"train": train, "valid": valid} | ({"model": start} if start is not None else {})
    return TaskSpec("train", parameters, inputs, resources)
