"""The toy labeler: the exact Morse potential of copper, with failures on request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.errors import InputError
from pfd.frames import Labels, frame_id
from pfd.label.labeler import Labeler, LabelerSettings, Outcome
from pfd.testing.toy_potential import ToyCalculator, morse

if TYPE_CHECKING:
    from ase import Atoms


class ToyLabelerSettings(LabelerSettings):
    """Settings of the toy labeler."""

    method: Literal["toy"] = "toy"
    constant_eV: float = -3.0
    """Energy per atom added to every label, eV: another level of theory has another zero."""
    depth: float = Field(default=1.0, gt=0.0)
    """Depth of the potential's well over its own: 1; other values are another level of theory, with other forces."""
    reject_fraction: float = Field(default=0.0, ge=0.0, le=1.0)
    """Fraction of frames (chosen by their id) that end unconverged: 0, because nothing should fail unasked."""
    delay_s: float = Field(default=0.0, ge=0.0, le=60.0)
    """Seconds that each label takes: 0; kill tests raise it."""


class ToyLabeler(Labeler):
    """Labels copper with the Morse potential."""

    name = "toy"
    Settings = ToyLabelerSettings
    how = frozenset({"delay_s"})
    elements: ClassVar[tuple[str, ...]] = ("Cu",)
    """What the potential is of."""

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        assert isinstance(settings, ToyLabelerSettings)
        self._settings = settings

    def level_of_theory(self) -> str:
        """The potential and its zero of energy."""
        depth = "" if self._settings.depth == 1.0 else f" times {self._settings.depth:g}"
        return f"toy Morse{depth} {self._settings.constant_eV:+g} eV"

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse other elements: the potential would take them for copper.

        Raises:
            InputError: naming them.
        """
        unknown = {symbol for frame in frames for symbol in frame.get_chemical_symbols()} - set(self.elements)
        if unknown:
            raise InputError(
                f"the labeler 'toy' does not know {', '.join(sorted(unknown))}",
                hint=f"it labels {', '.join(self.elements)} only; choose another method for a real material",
            )

    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Label one frame.

        Raises:
            InputError: if it holds other elements.
        """
        self.check([frame])
        time.sleep(self._settings.delay_s)
        elements = sorted(set(frame.get_chemical_symbols()))
        depths = np.full(len(elements) * (len(elements) + 1) // 2, self._settings.depth)
        constants = dict.fromkeys(elements, self._settings.constant_eV)
        copy = frame.copy()
        copy.set_constraint()
        copy.calc = ToyCalculator(elements, morse(), depths, constants)
        labels = Labels(copy.get_potential_energy(), copy.get_forces(), copy.get_stress() if frame.pbc.all() else None)
        unlucky = int(frame_id(frame)[1:], 16) % 1000 < 1000 * self._settings.reject_fraction
        return Outcome(labels, converged=not unlucky, echoed=frame, scf_steps=2, max_scf_steps=10 if not unlucky else 2)
