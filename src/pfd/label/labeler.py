"""The Labeler protocol: one frame in, one label or one reason for having none out."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, ValidationError

from pfd.errors import InputError, SettingError
from pfd.frames import Labels
from pfd.kept import here_or_there
from pfd.label.k_mesh import k_divisions
from pfd.plugins import load_plugin
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


class AcceptanceRules(Settings):
    """When a label may enter a training set; every limit can be moved, none can be left out."""

    max_force_eV_per_A: float = Field(default=50.0, gt=0)
    """Largest force on any atom: beyond it a frame owns the loss and teaches nothing about the material."""
    max_net_force_eV_per_A: float = Field(default=0.02, gt=0)
    """Largest |sum of forces| / number of atoms: a larger one means a grid or basis too coarse to be consistent."""
    echo_tolerance_A: float = Field(default=1e-4, gt=0)
    """How far the geometry that the engine echoes may be from the one asked for."""
    magnetic_state: Literal["reject", "flag"] = "reject"
    """What becomes of a label whose total moment is 0.1 Bohr magnetons off the frame's spin, or with an atom that was
    asked for 1 Bohr magneton or more and ended with the other sign, or with less than a quarter of it. ``flag`` accepts
    it and notes it with the frame and in the report. Default ``reject``: labels of several SCF branches are no function
    of the positions, and cannot be learnt; finished labels are judged anew for nothing if this is changed."""


class Blank(NamedTuple):
    """A setting that only the user knows, as a new input shows it.

    Attributes:
        value: an example in its form; ``{element}`` in a mapping's text stands for each element of the material.
        comment: what to put there.
        unless: settings that make it needless.
    """

    value: Any
    comment: str
    unless: frozenset[str] = frozenset()


class LabelerSettings(Settings):
    """Settings that every labeler has; the plug-in's own class adds its keys."""

    paths: ClassVar[tuple[str, ...]] = ()
    """Settings that are paths: where they are relative, they start at the input file's folder."""
    form: ClassVar[Mapping[str, Blank]] = MappingProxyType({})
    """Settings that ``pfd init`` asks for, or writes for a user to complete."""
    method: str
    """The registered name of the labeler."""
    accept: AcceptanceRules = AcceptanceRules()
    """Acceptance rules."""

    def starting_at(self, folder: Path) -> Self:
        """The same settings with relative paths starting at a folder: that of the input file."""
        named = {name: getattr(self, name) for name in self.paths}
        absolute = {name: here_or_there(folder, Path(path)) for name, path in named.items() if path is not None}
        return self.model_copy(update=absolute)


@dataclass(frozen=True)
class Outcome:
    """What an engine said of one frame, before anyone judged it.

    Attributes:
        labels: energy, forces, stress as the engine gave them.
        converged: the engine's own success sign.
        echoed: the frame as the engine understood it (None if the engine cannot echo).
        scf_steps: SCF steps used, and ``max_scf_steps`` allowed (None if not told).
        needs_stress: whether a label without stress is incomplete.
        notes: settings that were changed on the way (the ladder), for the record.
        asked: the frame with the spin and the initial moments that count as asked for, if not those of the frame.
        extra: what else the engine said and the frame keeps beside its labels: ``energy_sigma0_eV``, the energy
            extrapolated to zero smearing, ``total_magmom`` and ``local_magmoms`` (Bohr magnetons). A list has one
            number per atom.
        by: what messages call who made the label.
        hint: what to try if it is rejected, where that is not to change settings or to look into the engine's output.
    """

    labels: Labels
    converged: bool
    echoed: Atoms | None = None
    scf_steps: int | None = None
    max_scf_steps: int | None = None
    needs_stress: bool = False
    notes: dict[str, str] = field(default_factory=dict)
    asked: Atoms | None = None
    extra: dict[str, float | list[float]] = field(default_factory=dict)
    by: str = "the engine"
    hint: str = ""


@dataclass(frozen=True)
class Finer:
    """A setting on which the labels depend, one step finer.

    Attributes:
        setting: its name in the label section.
        now: its value.
        finer: the value to compare with.
        settings: all settings of the labeler, with that value.
    """

    setting: str
    now: str
    finer: str
    settings: LabelerSettings


def finer_by(settings: LabelerSettings, name: str, factor: float) -> list[Finer]:
    """A numeric setting times a factor, as ``Labeler.finer`` returns it; none if it is not set."""
    value = getattr(settings, name)
    if value is None:
        return []
    finer = float(f"{value * factor:.3g}")
    return [Finer(name, f"{value:g}", f"{finer:g}", settings.model_copy(update={name: finer}))]


def finer_mesh(settings: LabelerSettings, frames: Sequence[Atoms], name: str = "kspacing_per_A") -> list[Finer]:
    """A smaller distance of k-points, by which every one of the frames gets more of them, if three steps can do it."""
    spacing = getattr(settings, name)
    if spacing is None:
        return []
    factor = 1.0
    for _ in range(MESH_STEPS):
        factor *= SPACING_STEP
        (finer,) = finer_by(settings, name, factor)
        if all(k_divisions(frame, float(finer.finer)) != k_divisions(frame, spacing) for frame in frames):
            return [finer]
    return []


MESH_STEPS = 3
CUTOFF_STEP, SPACING_STEP = 1.3, 0.7
"""One step finer: a cutoff is multiplied by the first, a distance of k-points by the second."""


class Labeler(ABC):
    """One engine that labels frames. The module of a labeler imports without its program or package."""

    name: ClassVar[str]
    Settings: ClassVar[type[LabelerSettings]]
    modules: ClassVar[tuple[str, ...]] = ()
    """Importable names that it needs."""
    programs: ClassVar[tuple[str, ...]] = ()
    """Programs that it needs on PATH (unless the settings name a command)."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Pip requirements, pinned, of the environment that ``pfd env create NAME`` builds for it; none if it needs none of
    its own. With packages, ``modules`` are what is looked for there."""
    install: ClassVar[str] = ""
    """The command that installs what it needs."""
    how: ClassVar[frozenset[str]] = frozenset()
    """Settings of the machine (commands, paths, time limits), with which a rejected frame fares no better."""
    identity: ClassVar[frozenset[str]] = frozenset()
    """Settings that make another label although ``level_of_theory`` does not tell them. All others (convergence aids,
    acceptance rules, ``how``) never make an accepted label be computed again."""
    foreign: ClassVar[bool] = False
    """Whether we know nothing of how its labels are made: then the data gate looks at them too."""
    private: ClassVar[tuple[str, ...]] = ()
    """Names of files that the labeler removes when it has run, such as licensed ones; where it was killed, the next
    attempt at the frame does."""
    citation: ClassVar[str] = ""
    """The paper of the program, with its DOI."""
    honours: frozenset[str] = frozenset()
    """Which of ``charge``, ``spin``, ``initial_magmoms``, ``partial_pbc`` it honours; others are refused by name."""

    def __init__(self, settings: LabelerSettings) -> None:
        self.settings = settings

    @abstractmethod
    def level_of_theory(self) -> str:
        """One name for the method and every setting that changes the physics."""

    @abstractmethod
    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Label one frame in a scratch folder of its own, which is kept or removed by the caller.

        Raises:
            LabelRejected: if the engine ran and has no valid answer (unconverged, cut output).
            TransientError: if something outside ended it (kill, time, disk).
            InputError, MissingError: if no frame could be labelled like this.
        """

    def citations(self) -> list[str]:
        """What to cite for labels made with these settings: the program first, then its methods."""
        return [self.citation] if self.citation else []

    def aids(self) -> dict[str, Any]:
        """The settings with which a frame that the engine rejected is worth another calculation if they change."""
        return self.settings.model_dump(mode="json", exclude={"method", "accept", *self.how, *self.identity})

    def cores(self) -> tuple[int, str] | None:
        """How many processes one calculation starts and the setting that says so; None if it starts one."""
        return None

    def finer(self, frames: Sequence[Atoms] = ()) -> Sequence[Finer]:
        """The settings that decide how well labels are converged, each one step finer: cutoff and k-points.

        By default there are none. They change the physics, so such labels never enter a training set.

        Args:
            frames: what is to be labelled with them; a step that leaves these frames' k-points as they are is none.
        """
        return ()

    def check(self, frames: Sequence[Atoms]) -> None:  # noqa: B027 - most labelers take any frame
        """Look at the frames before any of them is paid for; by default there is nothing to find.

        Raises:
            InputError: if no frame, or a whole kind of frames, could be labelled with these settings.
            MissingError: if the program or package is not installed.
        """

    def use_model(self, calculator: Calculator, level_of_theory: str) -> None:
        """Give the labeler the model to label with; only ``family`` takes one.

        Raises:
            InputError: if this labeler needs no model.
        """
        given = f"{type(calculator).__name__}, {level_of_theory}"
        raise InputError(f"the labeler {self.name!r} takes no model ({given})", hint="use method: family")

    def use_files(self, files: Sequence[Path]) -> None:
        """Give the labeler files of labelled frames to look labels up in; only ``stored`` takes them.

        Raises:
            InputError: if this labeler needs no files.
        """
        raise InputError(f"the labeler {self.name!r} takes no files ({len(files)} given)", hint="use method: stored")


def make_labeler(settings: Mapping[str, Any]) -> Labeler:
    """The labeler that the ``label`` section of the input names, with its settings checked.

    Raises:
        SettingError: if there is no such labeler, or a setting is unknown or out of range.
    """
    method = settings.get("method")
    if not isinstance(method, str):
        raise SettingError(
            "no method given", where="finetune.label.method", hint="name a labeler, such as method: tblite"
        )
    labeler: type[Labeler] = load_plugin("pfd.labelers", method, where="finetune.label.method")
    try:
        chosen = labeler.Settings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        hint = ""
        if first["type"] == "extra_forbidden":
            known = sorted(labeler.Settings.model_fields)
            near = difflib.get_close_matches(path[-1], known, n=1)
            hint = (f"did you mean {near[0]!r}? " if near else "") + f"{method} knows: {', '.join(known)}"
        raise SettingError(first["msg"], where=".".join(["finetune.label", *path]), hint=hint) from error
    if getattr(chosen, "magnetic_starts", ()):
        from pfd.label.magnetic_starts import lowest_of_starts

        labeler = lowest_of_starts(labeler)
    return labeler(chosen)
