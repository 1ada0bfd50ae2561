"""The gate itself: every look at every set, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfd.evaluate.data_gate.against_model import against_model
from pfd.evaluate.data_gate.content import content
from pfd.evaluate.data_gate.correlated import correlated
from pfd.evaluate.data_gate.finding import Finding, GateReport
from pfd.evaluate.data_gate.labelled_set import LabelledSet, require_sane
from pfd.evaluate.data_gate.outliers import outliers
from pfd.evaluate.data_gate.random_forces import random_forces
from pfd.evaluate.data_gate.stress_convention import stress_convention
from pfd.evaluate.data_gate.twins import twins

LOOKS = (content, random_forces, against_model, stress_convention, outliers, correlated)
"""What is looked at in each set by itself."""


def pass_sets(train: Sequence[LabelledSet], test: Sequence[LabelledSet] = ()) -> GateReport:
    """Look at labelled sets, and at what they have in common.

    Args:
        train: sets to train on.
        test: sets to test on; a frame of theirs that is in training as well is named.

    Raises:
        DataError: see ``require_sane``.
    """
    for labelled in (*train, *test):
        require_sane(labelled)
    return GateReport(findings=tuple(_findings(train, test)))


def _findings(train: Sequence[LabelledSet], test: Sequence[LabelledSet]) -> Iterator[Finding]:
    for labelled in (*train, *test):
        for look in LOOKS:
            yield from look(labelled)
    yield from twins(train, test)
