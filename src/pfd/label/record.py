"""What is known of one label before it is judged: kept beside it, so that other rules need no other calculation."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pfd.settings import Settings


class Measures(Settings):
    """The numbers of a sound label that the acceptance rules look at."""

    largest_force_eV_per_A: float
    """Largest force on any atom, eV/Å."""
    net_force_eV_per_A: float
    """|sum of forces| / number of atoms, eV/Å."""
    cell_off_A: float | None = None
    """Largest difference of a cell component between the frame and its echo, Å; None if there is nothing to compare."""
    positions_off_A: float | None = None
    """Largest distance of an atom from its echo, periodic images apart, Å; None if the engine does not echo."""
    total_moment_off: float | None = None
    """Size of the total moment minus that of the spin asked for, Bohr magnetons; None if nothing can be compared."""
    moments_reversed: int | None = None
    """Atoms whose moment has the other sign than asked for; None if there is nothing to compare."""
    moments_lost: int | None = None
    """Atoms that kept too little of the moment asked for; None if there is nothing to compare."""


class LabelRecord(Settings):
    """The content of ``label.json``: how the engine's run of one frame ended. No time, host or path stands in it."""

    id: str
    """The frame's id."""
    level: str
    """Level of theory."""
    sound: bool
    """Whether the engine converged and gave all labels; acceptance rules apply to sound labels only."""
    reason: str = ""
    """Why there is no sound label."""
    measures: Measures | None = None
    """Numbers that the acceptance rules look at; None without a sound label."""
    scf_steps: int | None = None
    """SCF steps used, if the engine told."""
    max_scf_steps: int | None = None
    """SCF steps that were allowed, if the engine told."""
    notes: dict[str, str] = Field(default_factory=dict)
    """Settings that were changed on the way (the ladder)."""
    extra: dict[str, float | list[float]] = Field(default_factory=dict)
    """What else the engine said (``Outcome.extra``); the frame keeps it under ``label_NAME``."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The labeler's settings (``Labeler.aids``) of this calculation."""
