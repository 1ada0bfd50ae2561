"""The examples of CONTRIBUTING.md are as short as it says, and they work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ase.build import bulk

from pfd.frames import with_origin
from pfd.label.judge import label_frame

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
LABELER, FAMILY = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_both_are_at_most_forty_lines_and_the_page_is_short():
    assert max(LABELER.count("\n"), FAMILY.count("\n")) <= 40
    assert TEXT.count("\n") < 100


def test_the_labeler_labels(tmp_path):
    names: dict = {}
    exec(compile(LABELER, "CONTRIBUTING.md", "exec", dont_inherit=True), names)
    labeler = names["EMTLabeler"](names["EMTSettings"]())
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    labels = label_frame(labeler, with_origin(atoms), tmp_path)
    assert labels.forces.shape == (32, 3)
    assert labels.level_of_theory == "EMT asap_cutoff=False"


def test_the_family_predicts(tmp_path):
    names: dict = {}
    exec(compile(FAMILY, "CONTRIBUTING.md", "exec", dont_inherit=True), names)
    family = names["LJFamily"]()
    family.adopt("argon", None, tmp_path)
    atoms = bulk("Ar", "fcc", 5.26, cubic=True) * (3, 3, 3)
    before = family.predict(tmp_path, [atoms])[0]
    family.add_energy_shift(tmp_path, {"Ar": 0.5})
    after = family.predict(tmp_path, [atoms])[0]
    assert after.energy - before.energy == pytest.approx(0.5 * len(atoms))
    assert (after.forces == before.forces).all()
