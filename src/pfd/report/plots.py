"""The page's plots, each a function from report data to inline SVG, and nothing where there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pfd.evaluate import AtomErrors, Errors
from pfd.report.data import MODEL_NAMES, IterationResult, ModelKey, ReportData
from pfd.report.limits import NEW, OWN_MD, TEST, unseen_set
from pfd.report.svg import COLOURS, MARKERS, SEQUENCE, log_axis, new_axes, plot_style, svg_of
from pfd.report.table import number
from pfd.report.words import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOP_NAMES = {"finetune": "Fine-tuning", "distill": "Distillation"}
DWARFS = 10.0
"""A first gain that many times larger than all others is told in words."""
MOST_GROUPS = 30
"""Groups that one plot has room for."""
CONDITIONS = {
    "temperature_K": "temperature, K",
    "pressure_GPa": "pressure, GPa",
    "group": "group",
    "structure": "starting structure",
}


def learning_curves(data: ReportData) -> list[str]:
    """Force RMSE on validation (solid) and training frames (dashed) by optimiser step; a plot per loop."""
    plots = []
    for title, turns in _loops(data):
        with plot_style():
            figure, axes = new_axes(
                f"{title}: solid validation, dashed training", "optimiser step", "force RMSE, meV/Å"
            )
            several = [turn for turn in turns if len(turn.curve) > 1]
            drawn = [_draw_curve(axes, turn, SEQUENCE[turn.iteration % len(SEQUENCE)]) for turn in several]
            if any(drawn):
                if axes.dataLim.ymin > 0:
                    log_axis(axes, "y")
                axes.legend()
                plots.append(svg_of(figure, f"Learning curves, {title}"))
    return plots


def fits_in_words(data: ReportData) -> list[str]:
    """Force RMSE of trainings in one step, such as linear fits, which have no curve."""
    lines = []
    for title, turns in _loops(data):
        for turn in turns:
            if len(turn.curve) == 1:
                record = turn.curve[0]
                found = (
                    (record.valid_force_rmse_eV_per_A, "validation"),
                    (record.train_force_rmse_eV_per_A, "training"),
                )
                shown = [f"{number(1000 * rmse)} meV/Å on {name} frames" for rmse, name in found if rmse is not None]
                lines += (
                    [f"{title} {turn.iteration}: fitted in one step, force RMSE {', '.join(shown)}"] if shown else []
                )
    return lines


def _draw_curve(axes: Axes, turn: IterationResult, colour: str) -> bool:
    drawn = False
    for field, dashes in (("valid_force_rmse_eV_per_A", "-"), ("train_force_rmse_eV_per_A", "--")):
        found = [(record.step, getattr(record, field)) for record in turn.curve]
        points = [(step, 1000 * rmse) for step, rmse in found if rmse is not None]
        if points:
            label = None if drawn else f"iteration {turn.iteration}"
            axes.plot(*zip(*points, strict=True), dashes, color=colour, label=label)
            drawn = True
    return drawn


def errors_by_labels(data: ReportData) -> list[str]:
    """Force RMSE on the fixed test set, and on frames that were new, by the labels that the model knew; a plot a loop.

    New frames of an iteration are predicted before its model trains on them; a student's own MD is what it does after.
    """
    plots = []
    for title, turns in _loops(data):
        told = all("known" in turn.labels for turn in turns)  # runs of older versions tell the total alone
        axis = (
            "labels that the model was trained or validated on" if told else "labels used (training, validation, test)"
        )
        after = [turn.labels.get("known" if told else "total", 0) for turn in turns]
        first = max(0, after[0] - turns[0].labels.get("accepted", 0))
        own = [unseen_set(turn, data) == OWN_MD for turn in turns]
        before = [now if moved else was for moved, now, was in zip(own, after, [first, *after], strict=False)]
        name = OWN_MD if own[-1] else f"{NEW}, before training on them"
        series = (("test", after, TEST, SEQUENCE[0]), ("prospective", before, name, SEQUENCE[1]))
        with plot_style():
            figure, axes = new_axes(title, axis, "force RMSE, meV/Å")
            drawn = [
                _draw_errors(
                    axes, [(x, getattr(turn, field)) for x, turn in zip(counts, turns, strict=True)], words, colour
                )
                for field, counts, words, colour in series
            ]
            if any(drawn):
                axes.set(xlim=(0, 1.08 * max(after) or 1), ylim=(0, None))
                axes.legend()
                plots.append(svg_of(figure, f"Force error by number of labels, {title}"))
    return plots


def gain_plots(data: ReportData) -> list[str]:
    """Entropy gain of each pick in the order of choice: where it levels off, more frames would teach little.

    A first pick into empty data is compared with isolated atoms; its gain is left out where it dwarfs the others.
    """
    plots = []
    for title, turns in _loops(data):
        with plot_style():
            figure, axes = new_axes(title, "pick", "entropy gain, nats")
            for turn in turns:
                begin = 1 if len(turn.gains) > 1 and turn.gains[0] > DWARFS * max(turn.gains[1:]) > 0 else 0
                note = f" (pick 1: {turn.gains[0]:.0f})" if begin else ""
                if turn.gains:
                    axes.plot(
                        range(1 + begin, len(turn.gains) + 1),
                        turn.gains[begin:],
                        color=SEQUENCE[turn.iteration % len(SEQUENCE)],
                        marker=".",
                        label=f"iteration {turn.iteration}{note}",
                    )
            if axes.lines:
                axes.legend()
                plots.append(svg_of(figure, f"Entropy gain per pick, {title}"))
    return plots


def condition_plots(data: ReportData) -> list[str]:
    """Force RMSE of each model at each temperature, pressure, group and structure of the fixed test set."""
    plots = []
    for condition, label in CONDITIONS.items():
        found = {key: model.errors.by_group.get(condition, {}) for key, model in data.models.items() if model.errors}
        values = list(dict.fromkeys(value for groups in found.values() for value in groups))
        if len(values) < 2 and condition != "temperature_K":
            continue
        shown = _worst_groups(found, values)
        cut = f" ({len(shown)} of {len(values)}, the largest errors)" if len(shown) < len(values) else ""
        plot = _categories({key: dict(groups) for key, groups in found.items()}, shown, f"{label}{cut}")
        plots += [plot] if plot else []
    return plots


def _worst_groups(found: Mapping[ModelKey, Mapping[str, Errors]], values: Sequence[str]) -> list[str]:
    """The values if a plot can hold them; else those with the largest errors of any model, in their order."""

    def largest(value: str) -> float:
        return max(
            (groups[value].force_rmse_meV_per_A or 0.0 for groups in found.values() if value in groups), default=0
        )

    kept = set(sorted(values, key=largest, reverse=True)[:MOST_GROUPS])
    return [value for value in values if value in kept]


def element_plot(data: ReportData) -> str | None:
    """Force RMSE of each model on the atoms of each element."""
    found = {key: model.errors.by_element for key, model in data.models.items() if model.errors}
    elements = sorted({element for groups in found.values() for element in groups})
    return _categories(_of_atoms(found), elements, "element")


def depth_plot(data: ReportData) -> str | None:
    """Force RMSE of each model on atoms by their depth below the surfaces of slabs."""
    found = {key: model.errors.by_depth for key, model in data.models.items() if model.errors}
    depths = sorted({depth for groups in found.values() for depth in groups}, key=lambda depth: float(depth.split()[0]))
    return _categories(_of_atoms(found), depths, "depth below a surface, Å") if depths else None


def _of_atoms(found: dict[ModelKey, dict[str, AtomErrors]]) -> dict[ModelKey, dict[str, Errors]]:
    return {
        key: {
            name: Errors(frames=0, force_rmse_meV_per_A=errors.force_rmse_meV_per_A) for name, errors in groups.items()
        }
        for key, groups in found.items()
    }


def drift_plot(data: ReportData) -> str | None:
    """Force RMSE of the fine-tuned model against the pre-trained one on each element outside the domain."""
    by_element = data.drift.by_element if data.drift is not None else {}
    found = sorted((e.force_rmse_relative, element) for element, e in by_element.items() if e.force_rmse_relative)
    if not found:
        return None
    with plot_style():
        figure, axes = new_axes("", "", "force RMSE, part of RMS force")
        axes.bar([element for _, element in found], [value for value, _ in found], color=COLOURS["finetuned"])
        axes.tick_params(axis="x", length=0)
        axes.margins(x=0.01)
        return svg_of(figure, "Force deviation by element outside the domain")


def seconds_plot(data: ReportData) -> str | None:
    """Seconds by step of the loop, largest first, the wall time left to the title."""
    steps = sorted(
        ((name, seconds) for name, seconds in data.seconds.items() if name != "wall" and seconds > 0),
        key=lambda step: (step[1], step[0]),
    )
    if not steps:
        return None
    wall = data.seconds.get("wall")
    with plot_style():
        title = f"wall time {duration(wall)}" if wall else ""
        figure, axes = new_axes(title, "seconds", "", height_in=0.9 + 0.24 * len(steps))
        bars = axes.barh([name for name, _ in steps], [seconds for _, seconds in steps], color=SEQUENCE[0], height=0.6)
        axes.bar_label(bars, labels=[_span(seconds) for _, seconds in steps], padding=3, fontsize=8)
        axes.margins(x=0.15)
        axes.tick_params(axis="y", length=0)
        return svg_of(figure, "Seconds by step")


def _span(seconds: float) -> str:
    return duration(seconds) if seconds >= 60 else number(seconds)


def _categories(found: dict[ModelKey, dict[str, Errors]], values: Sequence[str], label: str) -> str | None:
    with plot_style():
        figure, axes = new_axes("", label, "force RMSE, meV/Å")
        shown = [key for key in MODEL_NAMES if key in found]
        for rank, key in enumerate(shown):
            offset = 0.14 * (rank - (len(shown) - 1) / 2)
            points = [(index + offset, found[key].get(value)) for index, value in enumerate(values)]
            _draw_errors(axes, points, MODEL_NAMES[key], COLOURS[key], marker=MARKERS[key], line="none")
        if not axes.containers:
            return None
        axes.set_xticks(range(len(values)), values)
        axes.set_xlim(-0.6, len(values) - 0.4)
        if axes.dataLim.ymin > 0:
            log_axis(axes, "y")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        return svg_of(figure, f"Force error by {label}")


def _draw_errors(
    axes: Axes,
    points: Iterable[tuple[float, Errors | None]],
    name: str,
    colour: str,
    *,
    marker: str = "o",
    line: str = "-",
) -> bool:
    """Draw the force RMSE, meV/Å, with its interval; False if there is none to draw."""
    there = [
        (x, errors, errors.force_rmse_meV_per_A)
        for x, errors in points
        if errors is not None and errors.force_rmse_meV_per_A is not None
    ]
    if not there:
        return False
    spans = [errors.force_rmse_interval or (rmse, rmse) for _, errors, rmse in there]
    below = [max(0.0, rmse - low) for (_, _, rmse), (low, _) in zip(there, spans, strict=True)]
    above = [max(0.0, high - rmse) for (_, _, rmse), (_, high) in zip(there, spans, strict=True)]
    axes.errorbar(
        [x for x, _, _ in there],
        [rmse for _, _, rmse in there],
        yerr=[below, above],
        color=colour,
        marker=marker,
        linestyle=line,
        elinewidth=0.8,
        capsize=2,
        label=name,
    )
    return True


def _loops(data: ReportData) -> list[tuple[str, list[IterationResult]]]:
    return [
        (title, turns)
        for loop, title in LOOP_NAMES.items()
        if (turns := [turn for turn in data.iterations if turn.loop == loop])
    ]
