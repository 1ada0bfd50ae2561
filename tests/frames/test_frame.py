"""What counts as bulk: only such frames have a stress to train on, and a pressure."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule

from pfd.frames import Labels, is_bulk, trainable_stress, with_labels


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (bulk("Cu"), True),
        (bulk("Cs"), True),
        (bulk("Si", cubic=True), True),
        (Atoms("Ar", cell=[20, 20, 20], pbc=True), False),
        (Atoms("Cu", cell=[2.5, 2.5, 20], pbc=True), False),
        (fcc111("Cu", (2, 2, 3), vacuum=8.0, periodic=True), False),
        (molecule("H2O"), False),
    ],
    ids=["fcc, primitive", "bcc, wide", "diamond", "isolated atom", "layer of one atom", "slab", "molecule"],
)
def test_bulk_is_periodic_and_without_a_gap(frame, wanted):
    assert is_bulk(frame) is wanted


def test_the_stress_of_an_isolated_atom_is_not_trained_on():
    atom = Atoms("Ar", cell=[20, 20, 20], pbc=True)
    labelled = with_labels(atom, Labels(0.0, atom.positions * 0.0, [0.1] * 6))
    assert trainable_stress(labelled) is None
