"""Steps about properties: what cannot be measured is told, and does not end the run."""

from __future__ import annotations

import json

import numpy as np
from ase.build import bulk

from pfd.evaluate.properties.elastic import Elastic
from pfd.models.named_model import named_model
from pfd.tasks.folder import Artifact, TaskFolder, TaskSpec
from pfd.tasks.runner import run_task
from pfd.testing.toy_potential import ToyCalculator


def test_a_model_that_gives_no_numbers_fails_its_property_and_not_the_run(tmp_path, monkeypatch):
    def calculate(self, *args, **kwargs):
        answer(self, *args, **kwargs)
        self.results["stress"] = self.results["stress"] * np.nan

    answer = ToyCalculator.calculate
    monkeypatch.setattr(ToyCalculator, "calculate", calculate)
    bulk("Cu", "fcc", a=3.6, cubic=True).write(tmp_path / "Cu.cif")
    settings = Elastic(structure="Cu.cif", cell="given").parameters()
    with named_model("toy:soft-copper", None, False) as model:
        inputs = {"model": Artifact.of(model), "structure": Artifact.of(tmp_path / "Cu.cif")}
        folder = TaskFolder.create(
            tmp_path / "place", 0, TaskSpec("property", {"settings": settings, "seed": 0}, inputs)
        )
        result = run_task(folder, redirect=False)
    assert result.status == "done", result.failure
    content = json.loads((folder.path / "outputs" / "property.json").read_text(encoding="utf-8"))
    assert content["values"] == {}
    assert "C11_clamped_GPa" in content["failed"]
    assert "no finite number" in content["failed"]
