"""What the data covers: compositions, what was chosen of the candidates, and the structures that annealing ended in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pfd.json_file import read_json
from pfd.report.data import DataPart, IterationResult, ReportData, TrajectoryResult
from pfd.report.svg import SEQUENCE, new_axes, plot_style, svg_of
from pfd.tasks.folder import TaskFolder

PARTS = {"train": "training", "valid": "validation", "labels": "labels of first principles", "test": "test"}
MANY = 6
"""Curves in one plot of radial distributions."""


def composition_plots(data: ReportData) -> list[str]:
    """Frames by the fraction of each element, a plot per loop and element, where compositions differ."""
    plots = []
    for title, parts in _loops(data):
        elements = sorted({symbol for part in parts for formula in part.compositions for symbol in _fractions(formula)})
        if len({formula for part in parts for formula in part.compositions}) < 2 or len(elements) < 2:
            continue
        # the last fraction follows from the others
        shown = elements[1:] if len(elements) == 2 else elements
        plots += [_composition_plot(title, parts, element) for element in shown]
    return plots


def _composition_plot(title: str, parts: list[DataPart], element: str) -> str:
    with plot_style():
        figure, axes = new_axes(title, f"fraction of {element}", "frames")
        floor: Counter[float] = Counter()
        for colour, part in zip(SEQUENCE, parts, strict=False):
            heights: Counter[float] = Counter()
            for formula, frames in part.compositions.items():
                heights[round(_fractions(formula).get(element, 0.0), 4)] += frames
            places = sorted(heights)
            axes.bar(
                places,
                [heights[place] for place in places],
                bottom=[floor[place] for place in places],
                width=0.02,
                color=colour,
                label=PARTS[part.part],
            )
            floor += heights
        axes.set(xlim=(-0.03, 1.03))
        axes.legend()
        return svg_of(figure, f"Frames by fraction of {element}, {title}")


def radial_plot(data: ReportData) -> str | None:
    """The radial distribution functions of what annealing ended in; of many, the last ones."""
    found = [each for each in data.trajectories if each.structure is not None][-MANY:]
    if not found:
        return None
    with plot_style():
        figure, axes = new_axes("Where annealing ended", "r, Å", "g(r)")
        for colour, each in zip(SEQUENCE, found, strict=False):
            assert each.structure is not None
            axes.plot(each.structure.r_A, each.structure.g, color=colour, label=each.name)
        axes.axhline(1.0, color="0.6", linewidth=0.5)
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.legend(fontsize=6)
        return svg_of(figure, "Radial distribution functions at the end of annealing")


def choices(data: ReportData, folders: Iterable[TaskFolder]) -> list[IterationResult]:
    """How candidates came to labels: of the turns that have ended, and of the one in each loop that goes on.

    Args:
        data: what the report knows.
        folders: the run's tasks that count.
    """
    found = [turn for turn in data.iterations if turn.candidates is not None]
    begun: Counter[str] = Counter(turn.loop for turn in data.iterations)
    chosen = [
        folder
        for folder in folders
        if folder.place[2] in {"select", "strike"} and folder.place[1] == f"iter-{begun[folder.place[0]]:03d}"
    ]
    going_on: dict[str, dict[str, Any]] = {}
    for folder in sorted(chosen, key=lambda each: result.started if (result := each.result()) else 0.0):
        found_there = read_json(folder.path / "outputs" / "selection.json")
        if isinstance(found_there, dict):
            told = {key: found_there[key] for key in IterationResult.model_fields if key in found_there}
            going_on[folder.place[0]] = told
    for loop, told in going_on.items():
        found.append(IterationResult.model_validate({"loop": loop, "iteration": begun[loop]} | told))
    return found


def annealed(data: ReportData) -> list[TrajectoryResult]:
    """The trajectories that tell what structure they ended in."""
    return [each for each in data.trajectories if each.structure is not None]


def _fractions(formula: str) -> dict[str, float]:
    from ase.formula import Formula

    counts = Formula(formula).count()
    total = sum(counts.values())
    return {symbol: count / total for symbol, count in counts.items()}


def _loops(data: ReportData) -> Iterator[tuple[str, list[DataPart]]]:
    for loop, title in (("finetune", "Fine-tuning"), ("distill", "Distillation")):
        parts = [part for part in data.data if part.loop == loop]
        if parts:
            yield title, parts
