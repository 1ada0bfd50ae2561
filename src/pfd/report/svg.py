"""A plot as SVG inside a page: its lines and letters take the page's colour, in the dark as in the light."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pfd.report.data import ModelKey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: dict[ModelKey, str] = {
    "pretrained": "#888d96",
    "finetuned": "#3b82c4",
    "student": "#d9742a",
    "scratch": "#4c9a68",
}
"""Told apart by the colour-blind, and against white as against near-black."""
MARKERS: dict[ModelKey, str] = {"pretrained": "s", "finetuned": "o", "student": "D", "scratch": "^"}
SEQUENCE = ("#3b82c4", "#d9742a", "#4c9a68", "#b55fa0", "#888d96", "#c9a227", "#5b6bbf", "#a0522d")
"""For lines that are not models, in turn."""
INK = "#010203"
"""Stands for the page's text colour until the SVG is written."""

STYLE = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": 8,
    "ytick.major.width": 0.6,
}


@contextmanager
def plot_style(**changes: object) -> Iterator[None]:
    """Matplotlib's defaults with the page's style on them, whatever the user's own configuration says."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE | changes)
        yield


def new_axes(
    title: str, x_label: str, y_label: str, *, width_in: float = 4.0, height_in: float = 2.9
) -> tuple[Figure, Axes]:
    """One empty plot, by default 4 inches wide: the width of a phone, and a third of a page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    return figure, axes


def axes_box(axes: Axes) -> tuple[float, float, float, float]:
    """Left, top, width and height of the axes of a figure that has been written, as parts of the picture."""
    place = axes.get_position()
    return float(place.x0), float(1.0 - place.y1), float(place.width), float(place.height)


def log_axis(axes: Axes, which: str) -> None:
    """Make one axis logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def svg_of(figure: Figure, description: str) -> str:
    """The figure as an ``<svg>`` element that loads nothing and is read aloud as ``description``.

    The same figure gives the same text. To be called within ``plot_style``.
    """
    import html

    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": description}):
        figure.savefig(stream, format="svg", dpi=150)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)  # the date, among others
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # names such as axes_1 would be repeated in every plot of the page
    text = text.replace(INK, "currentColor").replace("'DejaVu Sans', sans-serif", "inherit")
    label = html.escape(description, quote=True)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{label}">', text, count=1)
