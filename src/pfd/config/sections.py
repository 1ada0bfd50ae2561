"""The sections of the input file, as a user writes them; every field says what it means and why its default is so."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pfd.config.argo import ArgoSettings
from pfd.config.resources import ResourceSettings
from pfd.environments.launch import EnvironmentSettings
from pfd.evaluate.converge import ConvergeSettings
from pfd.evaluate.properties.kinds import StructureProperty
from pfd.evaluate.properties.observable import Observable
from pfd.explore.groups import GroupSettings
from pfd.frames.structures import StructureSettings
from pfd.select.settings import SelectSettings
from pfd.settings import Settings

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""What names a run: it is also the name of a folder."""


TAUGHT_FRAMES = 120
"""Default of ``distill.select.max_frames``: a label by the teacher costs what a step of its dynamics does, and a
student knows nothing beforehand (docs/distillation.md)."""


class TeacherSettings(Settings):
    """The pre-trained model."""

    family: str
    """Name of the family (``pfd models`` lists them)."""
    model: str
    """Name of weights that come with the family's package, or the path of a checkpoint."""
    head: str | None = None
    """Head of a multi-head model; may be left out where there is one."""
    trust_file: bool = False
    """Read a checkpoint that is a whole pickled module, as MACE ships them: reading one can run code that is in it, so
    write true only for a file whose source you trust. What the run keeps of it is safe to read."""


class DataSettings(Settings):
    """A labelled set that the user brings along; it is trained on before exploring."""

    file: str
    """Path of the set: extended XYZ, a deepmd/npy folder, OUTCAR, vasprun.xml, or any file that ASE reads."""
    format: str | None = None
    """Name of the format where the file's name does not tell it."""
    labels: dict[Literal["energy", "forces", "stress"], str] = Field(default_factory=dict)
    """Keys that hold the labels, if they are not ``energy, forces, stress`` or ``REF_*``."""
    energy_is: Literal["free", "sigma0"] | None = None
    """Which energy the labels hold: ``free``, with the smearing's -TS, whose gradient the forces are; or ``sigma0``,
    extrapolated to zero smearing, which is refused: it cannot be trained on beside free ones. Default: ``free_energy``
    where a frame has it, else ``energy``; where only some frames have both, this key must say what the others hold.
    ``free`` is refused where frames hold a free energy that is not the one that is taken."""
    level_of_theory: str | None = None
    """Level of theory of these labels; None asserts that it is the one of ``finetune.label``; frames that
    name another are refused."""


class TrainSettings(Settings):
    """What training is in every family; keys of the family's own settings stand beside these."""

    continue_: bool = Field(default=False, alias="continue")
    """Start from the last iteration's model instead of the pre-trained one. Default no: starting anew costs the same
    steps, and errors of early iterations do not stay in the weights."""
    valid_fraction: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Part of the labelled frames kept for validation, whole trajectories at a time; 0 trains on all frames and keeps
    the last weights. Default 0 for SevenNet and CHGNet, whose trainings have a length that was measured
    (docs/fine-tuning.md); 0.1 for other families."""


class CampaignSettings(Settings):
    """What labelling is with every labeler; keys of the labeler's own settings stand beside these."""

    max_total: int | None = Field(default=None, ge=1)
    """Most labels to begin in the run folder, test set included, and those that an edited input asks for no more.
    Those of the preflight, and of references in ``evaluate.properties``, come on top. Default none: a loop has
    ``max_iterations`` anyway."""
    max_core_hours: float | None = Field(default=None, gt=0)
    """Core hours for labels in the run folder, failed attempts included. Labels are begun as long as one of mean cost
    still fits; the first ones, before any cost is known, are as many as run at once. Default none."""
    min_success: float = Field(default=0.8, ge=0.0, le=1.0)
    """The run stops if a smaller part of all labels so far was accepted: then the settings are wrong, not the frames.
    It is judged from 10 labels on; of fewer, one must be accepted."""
    preflight: bool = True
    """Before the first labels, label one frame (two, if the compositions differ) with a higher cutoff and with denser
    k-points too, and warn if forces or stresses change by more than the error that ``converge`` aims at. Default true:
    two to four labels more show what would spoil all others. Methods without such settings have none."""
    keep_labels: bool = True
    """After an edit of the input, accepted labels that are already in the run folder stay in the training set, from the
    first selection on that the edit changed; those of another level of theory, and those of test sets, do not."""


class LoopSettings(Settings):
    """What fine-tuning and distillation share."""

    explore: tuple[tuple[GroupSettings, ...], ...] = Field(default=(), validate_default=True)
    """Stages, each a list of groups; the loop converges on a stage before the next begins. One list of groups, or one
    group, is short for one stage."""
    select: SelectSettings = SelectSettings()
    """How frames are chosen from what exploration found."""
    converge: ConvergeSettings
    """When a stage has converged."""
    max_iterations: int = Field(default=3, ge=1)
    """Most iterations for one stage: three rounds usually show whether more data helps."""
    pause: Literal["before_label"] | None = None
    """``before_label``: the run stops when frames are chosen, those of the test set too, and goes on when somebody has
    looked at them: ``pfd approve RUN``. Default none: nobody needs to sit by."""

    @field_validator("explore", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """One group, or one list of groups, is short for one stage."""
        if isinstance(value, dict):
            return [[value]]
        if isinstance(value, list | tuple) and value and all(isinstance(entry, dict) for entry in value):
            return [value]
        return value

    @field_validator("explore")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if not value or not all(value):
            raise ValueError("name at least one stage with at least one group, e.g. explore: [[{method: md, ...}]]")
        return value


class FineTuneSettings(LoopSettings):
    """The fine-tuning loop."""

    label: dict[str, Any]
    """The labeler's settings (``method: tblite`` ...) and those of the campaign (``max_total`` ...)."""
    train: dict[str, Any] = Field(default_factory=dict)
    """The family's training settings, and ``continue`` and ``valid_fraction``."""
    initial: Literal["explore", "label"] = "explore"
    """``label``: the perturbed starting frames are labelled and trained on before the first exploration. Default
    ``explore``: frames of MD are closer to what the model will meet."""


class DistillSettings(LoopSettings):
    """The distillation loop; the teacher labels."""

    select: SelectSettings = SelectSettings(max_frames=TAUGHT_FRAMES)
    """How frames are chosen from what exploration found; ``max_frames`` is 120 by default."""
    student: dict[str, Any]
    """Family of the student and its fit settings, e.g. ``{family: pod, size: M}``; or ``auto``, short for
    ``{family: auto}``: students of several kinds and sizes are fitted to the first iteration's frames and timed, and
    the fastest that meets ``converge`` is taken, for good; the most accurate if none does."""
    valid_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Part of the teacher's labels kept for validation."""
    label_times: int = Field(default=3, ge=0, le=100)
    """The student is fitted to the first-principles labels that its teacher was fine-tuned on as well, beside the
    teacher's: each counts so many times, 0 leaves them out. Most of what is explored is hotter than what was asked
    for: POD M, 270 frames of silicon and 720 of molybdenum, left 91 and 150 meV/Å of labels that nobody had learnt with
    0, 84 and 143 with 1, 83 and 139 with 3, at the same error to its teacher (docs/distillation.md)."""
    hotter: float = Field(default=1.5, ge=1.0)
    """The teacher, or with ``with: student`` the student, also explores at this multiple of every temperature, for
    training only: a student that has never seen the tails of its temperatures' distributions leaves them by a hole and
    explodes. 1 turns it off."""
    own_md_factor: int = Field(default=10, ge=1)
    """The student's own MD, by which it is judged, is this many times as long as the stage's trajectories: its steps
    cost a hundredth of the teacher's, and what goes wrong in MD goes wrong late. So is what it explores ``hotter``,
    with ``with: student``."""

    @field_validator("select", mode="before")
    @classmethod
    def _many_frames(cls, value: Any) -> Any:
        """The default of ``max_frames`` where other keys of the section are given."""
        return {"max_frames": TAUGHT_FRAMES} | value if isinstance(value, dict) else value


class EvaluateSettings(Settings):
    """The fixed test set, and what is measured on it."""

    test_frames: int = Field(default=4, ge=1)
    """Test frames per trajectory condition, from trajectories that never enter training: enough to see a wrong
    condition; raise it where labels are cheap."""
    pool_test_fraction: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Part of a pool kept for the test set, and never offered for training: whole trajectories; of a file that names
    none (or one) blocks all along it, from each ``group`` of frames that it names."""
    test_file: str | None = None
    """A labelled set of the user's, scored apart."""
    test_labels: dict[Literal["energy", "forces", "stress"], str] = Field(default_factory=dict)
    """Keys of its labels, if they are not the usual ones."""
    speed_atoms: int = Field(default=512, ge=0)
    """Atoms in the system on which speeds are measured; 0 measures none."""
    drift_elements: int = Field(default=12, ge=0)
    """Elements that the pre-trained model knows and no training frame holds, on whose crystals the fine-tuned model is
    compared with it (``drift`` in the report): how much of what it knew has moved. No label is needed; each element
    costs both models two predictions of a cell of 8 or 16 atoms. 0 leaves it out."""
    scratch_student: bool = True
    """Fit the same student on the first-principles labels alone as well: what distillation is compared with."""
    properties: tuple[StructureProperty, ...] = ()
    """Physical properties that are measured of the models, each compared with a reference."""
    command: tuple[Observable, ...] = ()
    """Observables of your own: a command each, which is given the model and writes numbers. One alone, or the words of
    one, is short for a list."""

    @field_validator("command", mode="before")
    @classmethod
    def _one_command(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | dict) else value

    @model_validator(mode="after")
    def _labels_of_a_file(self) -> EvaluateSettings:
        if self.test_labels and self.test_file is None:
            raise ValueError("test_labels are keys of test_file, and there is none; remove them, or add test_file")
        return self


class Input(Settings):
    """The whole input file."""

    name: str = Field(json_schema_extra={"pattern": NAME_PATTERN})
    """Name of the run, and of its folder."""
    seed: int = Field(default=0, ge=0)
    """The one seed; each task's own is derived from it."""
    use: Literal["commercial", "academic"] | None = None
    """What the models will be used for. Weights whose licence forbids it are refused, and it is told where the licence
    is not known. Default none: ``pfd check`` names the licence."""
    teacher: TeacherSettings
    """The pre-trained model."""
    structures: tuple[StructureSettings, ...] = Field(default=(), max_length=1000)
    """What exploration starts from."""
    data: tuple[DataSettings, ...] = ()
    """Labelled sets brought along."""
    finetune: FineTuneSettings | None = None
    """Fine-tune on first-principles labels; left out, it is not done."""
    distill: DistillSettings | None = None
    """Distil into a student; left out, it is not done."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """The test set."""
    resources: ResourceSettings = ResourceSettings()
    """What tasks may use."""
    environments: dict[str, EnvironmentSettings] = Field(default_factory=dict)
    """Family -> how its tasks are started; the same for the labeler ``gpaw``. Default: in the environment that
    ``pfd env create NAME`` built, else in the one that pfd runs in."""
    argo: ArgoSettings = ArgoSettings()
    """Where ``pfd submit --engine argo`` runs; without effect on other engines."""

    @field_validator("name")
    @classmethod
    def _folder_name(cls, value: str) -> str:
        if not re.fullmatch(NAME_PATTERN, value):
            raise ValueError(
                f"{value!r} cannot name a folder; write letters, digits, dots, dashes and underscores (at most 100), "
                "beginning with a letter or digit"
            )
        return value

    @model_validator(mode="after")
    def _something_to_do(self) -> Input:
        if self.finetune is None and self.distill is None:
            raise ValueError("there is nothing to do: write a section finetune, distill, or both")
        return self
