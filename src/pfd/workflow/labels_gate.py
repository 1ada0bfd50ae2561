"""The data gate for labels that a run did not see made: by hand, by a user's program, or brought along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pfd.evaluate.data_gate.content import NOT_FREE, content
from pfd.evaluate.data_gate.finding import Finding, Verdict
from pfd.evaluate.data_gate.labelled_set import LabelledSet, require_sane
from pfd.evaluate.data_gate.random_forces import random_forces

if TYPE_CHECKING:
    from ase import Atoms

MIXED = ("energy convention", NOT_FREE)
"""Signs of energies of two kinds, which must not be mixed."""


def refused(name: str, frames: list[Atoms]) -> Iterator[Finding]:
    """What forbids that these labels are trained on: random forces, one energy for all, energies of two kinds.

    Args:
        name: how messages call the set.
        frames: with their labels.

    Raises:
        DataError: see ``require_sane``.
    """
    if not frames:
        return
    labelled = LabelledSet(name, frames)
    require_sane(labelled)
    for finding in (*content(labelled), *random_forces(labelled)):
        mixed = finding.sign in MIXED and finding.verdict is Verdict.WARNING
        if finding.verdict is Verdict.REFUSED or mixed:
            yield finding
