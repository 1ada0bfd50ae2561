"""The figure of benchmarks/accuracy.py: force errors by number of labels, one panel for each material."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accuracy_rows import Row
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

MARKS = {"selected": "o-", "random": "s--", "scratch": "^:", "distilled": "D"}
"""Kind of rows -> marker and line."""
COLOURS = {"chgnet": "C0", "sevennet": "C1", "l3i5": "C3"}
LABELS = (10, 20, 50, 100, 200)
WORDS = {"selected": "fine-tuned", "random": "fine-tuned, random frames", "distilled": "POD M distilled"}


def write_plot(done: Mapping[Row, dict[str, Any]], aims: Mapping[tuple[str, int], float], path: Path) -> None:
    """Errors on the test files, with the intervals of the first seed; rows that were not run are not there.

    Args:
        done: rows and what they measured.
        aims: (material, labels) -> force RMSE that is aimed at, meV/Å.
        path: the picture.
    """
    materials = list(dict.fromkeys(row.material for row in done))
    if not materials:
        return
    figure = Figure(figsize=(5.0 * len(materials), 4.0), layout="constrained")
    for axes, material in zip(figure.subplots(1, len(materials), squeeze=False)[0], materials, strict=True):
        _panel(axes, {row: found for row, found in done.items() if row.material == material})
        for (name, labels), aim in aims.items():
            if name == material:
                axes.plot(labels, aim, "k_", markersize=16, label="aim" if labels == 100 else None)
        axes.set(title=material, xlabel="labels used", ylabel="force RMSE on the test file, meV/Å")
        axes.set(xscale="log", yscale="log", xlim=(8, 300))
        axes.set_xticks(LABELS, map(str, LABELS), minor=False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter("{x:g}" if axis is axes.yaxis else NullFormatter())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend(fontsize="small")
    figure.savefig(path)


def _panel(axes: Axes, done: Mapping[Row, dict[str, Any]]) -> None:
    zero = [(row, found) for row, found in done.items() if row.kind == "zero-shot"]
    for row, found in zero:
        axes.axhline(found["force"], color=COLOURS[row.family], linewidth=0.8, linestyle="-.")
        axes.annotate(f"{row.family} as shipped", (LABELS[0], found["force"]), fontsize="small", va="bottom")
    alone = [found for row, found in done.items() if row.kind == "scratch"]
    if alone:
        _series(axes, alone, MARKS["scratch"], "0.4", "POD M on the labels alone")
    for kind, family in dict.fromkeys((row.kind, row.family) for row in done if row.kind in WORDS):
        found = [each for row, each in done.items() if (row.kind, row.family) == (kind, family)]
        _series(axes, found, MARKS[kind], COLOURS[family], f"{family} {WORDS[kind]}")


def _series(axes: Axes, found: Sequence[dict[str, Any]], mark: str, colour: str, label: str) -> None:
    """Means over seeds by number of labels used, in logarithms."""
    used = sorted({int(each["used"]) for each in found})
    means, low, high = [], [], []
    for count in used:
        same = [each for each in found if int(each["used"]) == count]
        mean = math.exp(sum(math.log(each["force"]) for each in same) / len(same))
        means.append(mean)
        low.append(max(0.0, mean - same[0]["interval"][0]))
        high.append(max(0.0, same[0]["interval"][1] - mean))
    axes.errorbar(used, means, yerr=(low, high), fmt=mark, color=colour, label=label, capsize=3)
