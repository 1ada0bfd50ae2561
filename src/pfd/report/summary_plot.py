"""The one figure of a run: errors and speeds of the models side by side, for a README or a talk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pfd.errors import RunError
from pfd.report.data import MODEL_NAMES, ModelKey, ReportData
from pfd.report.svg import COLOURS, log_axis, plot_style
from pfd.report.table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLACK = "#1c1e21"


def summary_plot(data: ReportData, path: Path) -> Path:
    """Write a PNG (1600 pixels wide, white): force RMSE with its interval, and cost per atom and step (log).

    Raises:
        RunError: if no model has been tested yet.
    """
    from matplotlib.figure import Figure

    tested = [key for key in MODEL_NAMES if key in data.models and _force_rmse(data, key) is not None]
    if not tested:
        raise RunError("no model has been tested yet", hint="wait for the first evaluation")
    ink = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), BLACK)
    with plot_style(**ink, **{"figure.facecolor": "white", "savefig.facecolor": "white"}):
        figure = Figure(figsize=(8.0, 0.9 + 0.5 * len(tested)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _error_bars(left, data, tested)
        _speed_bars(right, data, tested)
        left.set_yticks(range(len(tested)), [MODEL_NAMES[key] for key in tested])
        left.invert_yaxis()
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
        figure.savefig(path, dpi=200, metadata={"Software": None})
    return path


def _error_bars(axes: Axes, data: ReportData, keys: list[ModelKey]) -> None:
    for row, key in enumerate(keys):
        errors, rmse = data.models[key].errors, _force_rmse(data, key)
        assert errors is not None
        assert rmse is not None
        low, high = errors.force_rmse_interval or (rmse, rmse)
        span = [[max(0.0, rmse - low)], [max(0.0, high - rmse)]]
        axes.barh(row, rmse, height=0.6, color=COLOURS[key], xerr=span, error_kw={"elinewidth": 1, "capsize": 3})
        axes.annotate(number(rmse), (max(rmse, high), row), (5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.set_xlabel("force RMSE on the test set, meV/Å")


def _speed_bars(axes: Axes, data: ReportData, keys: list[ModelKey]) -> None:
    axes.set_xlabel("µs per atom and MD step")
    timed = {row: time for row, key in enumerate(keys) if (time := data.models[key].us_per_atom_step)}
    if not timed:
        axes.text(0.5, 0.5, "not timed yet", transform=axes.transAxes, ha="center", va="center")
        axes.set_xticks([])
        return
    lowest = min(timed.values()) / 3
    for row, time in timed.items():
        axes.barh(row, time - lowest, left=lowest, height=0.6, color=COLOURS[keys[row]])
        axes.annotate(number(time), (time, row), (5, 0), textcoords="offset points", va="center", fontsize=9)
    log_axis(axes, "x")
    axes.set_xlim(lowest, 3 * max(timed.values()))


def _force_rmse(data: ReportData, key: ModelKey) -> float | None:
    errors = data.models[key].errors
    return None if errors is None else errors.force_rmse_meV_per_A
