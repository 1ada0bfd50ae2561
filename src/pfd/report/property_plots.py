"""Plots of physical properties, one for each curve with all models in it, and of students that were compared."""

from __future__ import annotations

from collections.abc import Mapping

from pfd.evaluate.properties.property import Curve
from pfd.report.data import MODEL_NAMES, ModelKey, ReportData
from pfd.report.svg import COLOURS, INK, MARKERS, SEQUENCE, log_axis, new_axes, plot_style, svg_of

MOST = 30
"""Curves that are drawn."""


def curve_plots(data: ReportData) -> list[str]:
    """The curves of each property, such as energy over volume, of all models and of the reference."""
    plots = []
    for result in data.properties:
        of_model = {key: result.models[key].curves for key in MODEL_NAMES if key in result.models}
        of_reference = result.reference.curves if result.reference is not None else {}
        for name in dict.fromkeys(name for curves in (of_reference, *of_model.values()) for name in curves):
            lines = {key: curves[name] for key, curves in of_model.items() if name in curves}
            plots.append(_curves(f"{result.title}: {name}", lines, of_reference.get(name)))
    return plots[:MOST]


def _curves(title: str, lines: Mapping[ModelKey, Curve], reference: Curve | None) -> str:
    some = reference or next(iter(lines.values()))
    with plot_style():
        figure, axes = new_axes(title, some.x, some.y)
        if reference is not None:
            axes.plot(*_columns(reference), color=INK, marker="x", linestyle="none", label="reference")
        for key, curve in lines.items():
            line, marker = ("-", "") if curve.line else ("none", MARKERS[key])
            axes.plot(*_columns(curve), color=COLOURS[key], label=MODEL_NAMES[key], linestyle=line, marker=marker)
        axes.legend()
        return svg_of(figure, title)


def _columns(curve: Curve) -> tuple[list[float], list[float]]:
    return [x for x, _ in curve.points], [y for _, y in curve.points]


def trials_plot(data: ReportData) -> str | None:
    """Error of each student that was compared against its time per atom and step."""
    there = [
        (each, each.us_per_atom_step, each.force_rmse_meV_per_A)
        for each in data.students
        if each.us_per_atom_step and each.force_rmse_meV_per_A
    ]
    if len(there) < 2:
        return None
    families = list(dict.fromkeys(each.family for each, _, _ in there))
    with plot_style():
        figure, axes = new_axes("", "µs per atom and step", "force RMSE to the teacher, meV/Å")
        for each, us, error in there:
            colour = SEQUENCE[families.index(each.family) % len(SEQUENCE)]
            marker = MARKERS["student"] if each.chosen else MARKERS["finetuned"]
            axes.plot([us], [error], marker=marker, color=colour, linestyle="none")
            axes.annotate(each.name, (us, error), textcoords="offset points", xytext=(5, 4), fontsize=8)
        for axis in ("x", "y"):
            log_axis(axes, axis)
        return svg_of(figure, "Error of students against their time")
