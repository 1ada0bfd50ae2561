"""The labeler of CONTRIBUTING.md is as short as it says, and works (its family: tests/models/test_own_family.py)."""

from __future__ import annotations

import re
from pathlib import Path

from ase.build import bulk

from pfd.frames import with_origin
from pfd.label.judge import label_frame

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
(LABELER,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_it_is_at_most_forty_lines_and_the_page_is_short():
    assert LABELER.count("\n") <= 40
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
