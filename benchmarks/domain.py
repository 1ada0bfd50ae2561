"""How well surprise tells where a model errs: rank correlations on labelled sets, inside and outside of the domain.

    python benchmarks/domain.py [--data ../shared/data] [--model FOLDER] [--out domain.json]

Each kind of frames (``group``) of a training file with at least 20 frames is once all that a student (POD, default
size) learns; then it meets the frames of all other kinds. ``--model`` takes a model that PFD-kit has fine-tuned
instead, with its training set in ``--train``, against the files named by ``--frames``.
Printed: Spearman's rank correlation of the surprise of a frame (mean over its atoms) with its force RMSE, and the
force RMSE of frames called inside and outside by the calibrated limit. A figure of all frames goes beside ``--out``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import numpy as np
from ase import Atoms
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

import pfd
from pfd.frames import labels_of, read_frames
from pfd.models.pod_fit import PODFitSettings
from pfd.select import SelectSettings
from pfd.select.domain import INSIDE, domain_of

LEAST = 20
"""A kind of frames with fewer trains no student."""


@dataclass(frozen=True)
class Row:
    """One training set against other frames; correlations are Spearman's, errors meV/Å."""

    name: str
    trained_on: int
    frames: int
    called_outside: int
    rank_of_frames: float
    rank_of_outside_frames: float
    force_inside: float
    force_outside: float
    surprise_nats: list[float]
    """Mean over the atoms of each frame, nats."""
    force_rmse: list[float]
    """Of each frame."""
    outside: list[bool]
    """Whether the frame is called outside."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--frames", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("domain.json"))
    options = parser.parse_args()
    if options.model is not None:
        frames = [frame for path in options.frames for frame in read_frames(path)]
        rows = [row_of(options.model.name, options.model, read_frames(options.train), frames)]
    elif options.data.is_dir():
        rows = [row for material in ("silicon", "molybdenum") for row in rows_of(options.data / material)]
    else:
        print(f"skipped: no labelled sets in {options.data} (--data)")
        return 0
    options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    draw(rows, options.out.with_suffix(".svg"))
    Console(width=140).print(table(rows))
    return 0


def rows_of(folder: Path) -> list[Row]:
    """Each kind of frames of a material as the training set of a student."""
    frames = read_frames(folder / "train.extxyz")
    kinds = [str(frame.info.get("group", "")) for frame in frames]
    rows = []
    for kind in sorted(set(kinds)):
        train = [frame for frame, own in zip(frames, kinds, strict=True) if own == kind]
        others = [frame for frame, own in zip(frames, kinds, strict=True) if own != kind]
        if len(train) < LEAST:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            pfd.fit_model(pfd.make_family("pod"), train, [], PODFitSettings(), 0, Path(scratch))
            rows.append(row_of(f"{folder.name}: {kind}", Path(scratch), train, others))
    return rows


def row_of(name: str, model: Path, train: Sequence[Atoms], frames: Sequence[Atoms]) -> Row:
    """What surprise says of a model's errors on frames."""
    domain = domain_of(frames, train, SelectSettings())
    predicted = [labels_of(frame).forces for frame in pfd.predict_frames(model, frames)]
    errors = [own - labels_of(frame).forces for own, frame in zip(predicted, frames, strict=True)]
    rmse = 1000 * np.array([np.sqrt(np.mean(error**2)) for error in errors])
    surprise = np.array([place.mean_nats for place in domain.frames])
    outside = np.array([place.outside > 1.0 - INSIDE for place in domain.frames])
    return Row(
        name,
        len(train),
        len(frames),
        int(outside.sum()),
        _rank(surprise, rmse),
        _rank(surprise[outside], rmse[outside]),
        _pooled(rmse[~outside]),
        _pooled(rmse[outside]),
        [float(value) for value in surprise],
        [float(value) for value in rmse],
        [bool(value) for value in outside],
    )


def _rank(surprise: np.ndarray, errors: np.ndarray) -> float:
    return float(spearmanr(surprise, errors).statistic) if len(errors) > 2 else float("nan")


def _pooled(rmse: np.ndarray) -> float:
    return float(np.sqrt(np.mean(rmse**2))) if len(rmse) else float("nan")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Force error of each frame against its surprise, a panel for each training set; both logarithmic."""
    columns = min(3, len(rows))
    figure = Figure(figsize=(3.4 * columns, 3.0 * -(-len(rows) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(rows) // columns), columns, squeeze=False).ravel()
    for axes, row in zip(panels, rows, strict=False):
        outside, surprise = np.array(row.outside), np.array(row.surprise_nats)
        for chosen, colour, word in ((~outside, "C0", "inside"), (outside, "C3", "outside")):
            shown = surprise[chosen] - surprise.min() + 1.0
            axes.plot(
                shown,
                np.maximum(np.array(row.force_rmse)[chosen], 1.0),
                ".",
                color=colour,
                label=f"{word} ({chosen.sum()})",
            )
        axes.set(xscale="log", yscale="log", title=f"{row.name}, rank {row.rank_of_frames:.2f}")
        axes.set(xlabel="surprise above the least, nats + 1", ylabel="force RMSE, meV/Å (at least 1)")
        axes.legend(fontsize="small")
    for axes in panels[len(rows) :]:
        axes.remove()
    figure.savefig(path)


def table(rows: Sequence[Row]) -> Table:
    """One line for each training set."""
    shown = Table(title="Surprise against force errors of frames that the model never saw")
    for column in (
        "trained on",
        "frames",
        "met",
        "outside",
        "rank, all",
        "rank, outside",
        "inside meV/Å",
        "outside meV/Å",
    ):
        shown.add_column(column)
    for row in rows:
        shown.add_row(
            row.name,
            str(row.trained_on),
            str(row.frames),
            str(row.called_outside),
            f"{row.rank_of_frames:.2f}",
            f"{row.rank_of_outside_frames:.2f}",
            f"{row.force_inside:.0f}",
            f"{row.force_outside:.0f}",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
