"""Composition coverage and annealed structures on the page."""

from __future__ import annotations

from dataclasses import asdict

from ase.build import bulk

from pfd.frames.radial import radial_structure
from pfd.report import coverage
from pfd.report.data import ReportData
from pfd.report.page import render


def part(name: str, compositions: dict[str, int]) -> dict[str, object]:
    frames = sum(compositions.values())
    labels = {"energy": frames, "forces": frames, "stress": 0}
    return {"loop": "finetune", "part": name, "frames": frames, **labels, "compositions": compositions}


def test_compositions_are_shown_where_they_differ() -> None:
    alloys = ReportData.model_validate(
        {"data": [part("train", {"AuCu": 4, "AuCu3": 2, "Cu": 1}), part("test", {"AuCu": 2})]}
    )
    (plot,) = coverage.composition_plots(alloys)
    assert "fraction of Cu" in plot
    assert "Fine-tuning" in plot
    page = render(alloys)
    assert "<h2>Data</h2>" in page
    ternary = ReportData.model_validate({"data": [part("train", {"AuCuNi": 4, "AuCu": 2})]})
    assert len(coverage.composition_plots(ternary)) == 3
    assert coverage.composition_plots(ReportData.model_validate({"data": [part("train", {"NaCl": 9})]})) == []


def test_the_end_of_annealing_is_told() -> None:
    silicon = bulk("Si", cubic=True).repeat(2)
    trajectory = {"name": "melt", "finished": True, "structure": asdict(radial_structure([silicon]))}
    data = ReportData.model_validate({"trajectories": [trajectory, {"name": "md", "finished": True}]})
    page = render(data)
    assert "Where annealing ended" in page
    assert "2.33" in page  # g/cm³
    assert "4: 100 %" in page
    assert "g(r)" in str(coverage.radial_plot(data))
    plain = ReportData.model_validate({"trajectories": [{"name": "md", "finished": True}]})
    assert coverage.radial_plot(plain) is None
    assert "Where annealing ended" not in render(plain)
