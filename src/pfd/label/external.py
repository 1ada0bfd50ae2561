"""Labels made by hand: the run writes the chosen frames, waits, and goes on when labels are put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pfd.errors import InputError
from pfd.frames import labels_of, read_frames
from pfd.label.labeler import Blank, Labeler, LabelerSettings, Outcome

if TYPE_CHECKING:
    from ase import Atoms

BESIDE = "label_"
"""How keys begin of what stands beside a label, such as ``label_energy_sigma0_eV``."""


class ExternalSettings(LabelerSettings):
    """Settings of labels that are put back by hand."""

    form: ClassVar[Mapping[str, Blank]] = MappingProxyType(
        {"level": Blank("CASTEP PBE 600 eV", "your name of the level of theory: labels of two never mix")}
    )
    method: Literal["external"] = "external"
    level: str = Field(min_length=1)
    """Your name of the level of theory, such as ``CASTEP PBE 600 eV``: labels of two levels never mix."""
    stress: bool = True
    """Whether a label of a frame that is periodic in all directions is complete only with a stress: true, because a
    model that is to run at constant pressure needs it. It is no part of the level of theory."""
    format: str | None = None
    """Format of the files that are put back, as in ``data:``; None guesses it from their names."""
    labels: dict[Literal["energy", "forces", "stress"], str] = Field(default_factory=dict)
    """Label name -> key in these files, for extended XYZ with keys of its own."""


class External(Labeler):
    """Takes the label of a frame from the file that the run found it in; see ``workflow.external``.

    A frame that could not be labelled is put back with ``converged=F``, and is rejected.
    """

    name: ClassVar[str] = "external"
    Settings = ExternalSettings
    how = frozenset({"format", "labels"})
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        assert isinstance(settings, ExternalSettings)
        self._settings = settings
        self._files: tuple[Path, ...] = ()

    def level_of_theory(self) -> str:
        """The user's name of it."""
        return self._settings.level

    def use_files(self, files: Sequence[Path]) -> None:
        """Take the label from this file, of one frame."""
        self._files = tuple(files)

    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Read the label; the geometry that it was put back with counts as the engine's echo.

        Raises:
            InputError: if no file was given.
        """
        if len(self._files) != 1:
            raise InputError(
                "no label was put back for this frame", where="finetune.label.method", hint="submit the run again"
            )
        found = read_frames(self._files[0])[0]
        beside = {**found.info, **{key: found.arrays[key].tolist() for key in found.arrays}}
        return Outcome(
            labels_of(found),
            converged=bool(found.info.get("converged", True)),
            echoed=found,
            scf_steps=found.info.get("scf_steps"),
            max_scf_steps=found.info.get("max_scf_steps"),
            needs_stress=self._settings.stress and bool(frame.pbc.all()),
            extra={key.removeprefix(BESIDE): value for key, value in beside.items() if key.startswith(BESIDE)},
            by="the calculation that was put back",
            hint="put a better one back in its place",
        )
