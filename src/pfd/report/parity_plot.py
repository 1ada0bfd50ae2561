"""Parity plots, and the points in them that a reader can point at: which frame, which atom, predicted and label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pfd.evaluate import Parity, ParityPoints
from pfd.report.data import MODEL_NAMES, ModelKey, ReportData
from pfd.report.svg import COLOURS, INK, axes_box, new_axes, plot_style, svg_of

QUANTITIES = {
    "energy_meV_per_atom": "energy, meV/atom",
    "force_eV_per_A": "force component, eV/Å",
    "stress_GPa": "stress component, GPa",
}
"""Field of ``Parity`` -> what its axes say, in the order of the rows."""
Limits = tuple[float, float]


@dataclass(frozen=True)
class ParityPlot:
    """One plot.

    Attributes:
        svg: the picture.
        points: what a script needs to find a point under the pointer: ``box`` (left, top, width, height of the axes as
            parts of the picture), ``limits`` of both axes, ``unit``, and for each point its label ``x``, prediction
            ``y``, ``frame`` (index in ``ParityRows.frames``) and ``place`` in it; empty where points carry no frame.
    """

    svg: str
    points: dict[str, Any]


@dataclass(frozen=True)
class ParityRows:
    """All parity plots of a page.

    Attributes:
        rows: a list per quantity, a plot per model, those of a row on the same axes.
        frames: ids of the frames that the points are of.
    """

    rows: list[list[ParityPlot]] = field(default_factory=list)
    frames: tuple[str, ...] = ()


def parity_rows(data: ReportData) -> ParityRows:
    """Predicted against label: energies, forces and stresses of each model on the fixed test set."""
    parities = {key: parity for key in MODEL_NAMES if (parity := _parity(data, key)) is not None}
    frames = next((parity.frames for parity in parities.values() if parity.frames), ())
    rows = []
    for quantity, unit in QUANTITIES.items():
        found: dict[ModelKey, ParityPoints] = {
            key: points for key, parity in parities.items() if (points := getattr(parity, quantity)) and points.label
        }
        if not found:
            continue
        every = [value for points in found.values() for value in (*points.label, *points.predicted)]
        margin = 0.04 * (max(every) - min(every)) or 1.0
        limits = (min(every) - margin, max(every) + margin)
        rows.append([_plot(key, points, unit, limits, parities[key].frames == frames) for key, points in found.items()])
    return ParityRows(rows, frames)


def worst_frames(data: ReportData, count: int) -> list[str]:
    """Ids of the test frames with the largest residuals of a force component, of the best trained model there is.

    The worst points are among those that a plot shows, however many it leaves out.
    """
    found = (parity for key in ("finetuned", "student", "pretrained") if (parity := _parity(data, key)) is not None)
    parity = next(found, None)
    points = parity.force_eV_per_A if parity is not None else None
    if parity is None or points is None or not points.frame or not parity.frames:
        return []
    worst: dict[int, float] = {}
    for label, predicted, frame in zip(points.label, points.predicted, points.frame, strict=True):
        worst[frame] = max(worst.get(frame, 0.0), abs(predicted - label))
    ranked = sorted(worst, key=lambda frame: -worst[frame])
    return [parity.frames[frame] for frame in ranked[:count]]


def _parity(data: ReportData, key: ModelKey) -> Parity | None:
    return data.models[key].parity if key in data.models else None


def _plot(key: ModelKey, points: ParityPoints, unit: str, limits: Limits, pointed: bool) -> ParityPlot:
    name = MODEL_NAMES[key]
    with plot_style():
        figure, axes = new_axes(name, f"label: {unit}", "predicted", width_in=3.2, height_in=3.1)
        axes.plot(limits, limits, color=INK, linewidth=0.6, zorder=1)
        size = 5 if len(points.label) > 300 else 14
        axes.scatter(
            points.label, points.predicted, s=size, color=COLOURS[key], alpha=0.6, linewidths=0, rasterized=True
        )
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        shown = f"{len(points.label)} of {points.total} points" + (
            f", {points.left_out} not finite" if points.left_out else ""
        )
        axes.text(0.03, 0.97, shown, transform=axes.transAxes, va="top", fontsize=8)
        svg = svg_of(figure, f"Parity plot of {name}: {unit}")
        box = axes_box(axes)
    if not pointed or len(points.frame) != len(points.label):
        return ParityPlot(svg, {})
    columns = {"x": points.label, "y": points.predicted, "frame": points.frame, "place": points.place}
    return ParityPlot(svg, {"box": box, "limits": limits, "unit": unit, "model": name, **columns})
