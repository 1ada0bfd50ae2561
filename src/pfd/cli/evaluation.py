"""A model's errors on labelled frames, and how far any frames lie from what it was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pfd.cli.labels_option import label_keys
from pfd.cli.out_file import require_extended_xyz, require_new, require_writable
from pfd.config.environment import told_by_run
from pfd.errors import DataError, SettingError
from pfd.evaluate import ErrorReport, Parity, error_report, parity_points
from pfd.frames import EnergyShift, Labels, fit_energy_shift, labels_of, with_labels, write_frames
from pfd.frames.outside import read_outside
from pfd.frames.sane import require_sane
from pfd.models.named_model import named_model, predictions
from pfd.select import SelectSettings
from pfd.select.domain import Domain, domain_of

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.models.family import Progress as Told


@dataclass(frozen=True)
class Question:
    """What ``pfd evaluate`` is asked.

    Attributes:
        model: a model folder, or FAMILY:WEIGHTS.
        files: frames, labelled or not.
        labels: LABEL=KEY words.
        file_format: of the files, where their names do not tell it.
        head: of a multi-head model.
        trust_file: see ``Family.adopt``.
        device: where the model runs.
        shift_on: labelled frames that an energy shift is fitted on first.
        train: what the model was trained on, to tell which frames lie outside.
        out: extended XYZ file for the predictions.
    """

    model: str
    files: Sequence[Path]
    labels: Sequence[str] = ()
    file_format: str | None = None
    head: str | None = None
    trust_file: bool = False
    device: str = "cpu"
    shift_on: Path | None = None
    train: Path | None = None
    out: Path | None = None


@dataclass(frozen=True)
class Answer:
    """What it answers.

    Attributes:
        frames: how many there were.
        report: errors; None where no frame has a label.
        domain: None if it was not asked for.
        rank_correlation: Spearman's, of a frame's mean surprise and its force RMSE; None without labels or domain.
        written: files.
    """

    frames: int
    report: ErrorReport | None
    domain: Domain | None
    rank_correlation: float | None
    written: list[Path] = field(default_factory=list)


def answer(question: Question, progress: Told) -> Answer:
    """Predict, compare, and write what was asked for.

    Raises:
        SettingError: if an option is wrong, or has nothing to do.
        DataError, ModelError, MissingError: see ``read_outside`` and ``named_model``.
    """
    if question.device not in {"cpu", "cuda"}:
        raise SettingError(f"no device {question.device!r}", where="--device", hint="cpu or cuda")
    if question.out is not None:
        read = [*question.files, *(path for path in (question.shift_on, question.train) if path is not None)]
        require_writable(question.out, read, "--out")
        require_extended_xyz(question.out, "--out")
        for path in (question.out, _plot_of(question.out)):
            require_new(path, "--out")
    keys = label_keys(question.labels)
    frames = [frame for path in question.files for frame in _read(path, question, keys)]
    shift_on = _read(question.shift_on, question, keys) if question.shift_on is not None else []
    train = _read(question.train, question, {}) if question.train is not None else []
    if question.shift_on is not None and not any(labels_of(frame).energy is not None for frame in shift_on):
        raise DataError(
            "no frame has an energy", where=f"--shift-on {question.shift_on}", hint="name its key: --labels"
        )
    with named_model(question.model, question.head, question.trust_file, where="MODEL") as folder:
        told = told_by_run(folder.resolve().parent.parent)
        found = predictions(folder, frames, progress, question.device, told)
        shift = None
        if shift_on:
            shift = fit_energy_shift(shift_on, predictions(folder, shift_on, progress, question.device, told))
    report = error_report(frames, found, shift)
    labelled = bool(report.force_frames or report.energy_frames or report.stress_frames)
    if shift_on and not labelled:
        raise SettingError("no frame has a label to compare with", where="--shift-on", hint="leave it out")
    domain = domain_of(frames, train, SelectSettings(), progress) if train else None
    correlation = _rank_correlation(domain, frames, found) if domain is not None and report.force_frames else None
    given = Answer(len(frames), report if labelled else None, domain, correlation)
    if question.out is not None:
        given.written.extend(_write(question.out, frames, found, shift, given))
    return given


def _read(path: Path, question: Question, keys: dict[str, str]) -> list[Atoms]:
    frames = read_outside(path, question.file_format, keys, needs_labels=False).frames
    if not frames:
        raise DataError("no frames", where=str(path), hint="name a file with frames")
    require_sane(frames, str(path))
    return frames


def _rank_correlation(domain: Domain, frames: Sequence[Atoms], found: Sequence[Labels]) -> float | None:
    """Spearman's rank correlation over the frames with forces; None if it is not defined.

    Source: Spearman, Am. J. Psychol. 15, 72 (1904).
    """
    import numpy as np
    from scipy.stats import spearmanr

    surprises, errors = [], []
    for frame, own, place in zip(frames, found, domain.frames, strict=True):
        forces = labels_of(frame).forces
        if forces is not None and own.forces is not None and math.isfinite(place.mean_nats):
            surprises.append(place.mean_nats)
            errors.append(float(np.sqrt(np.mean((own.forces - forces) ** 2))))
    if len(errors) < 3 or len(set(surprises)) < 2 or len(set(errors)) < 2:
        return None
    return float(spearmanr(surprises, errors).statistic)


def _write(
    out: Path, frames: Sequence[Atoms], found: Sequence[Labels], shift: EnergyShift | None, given: Answer
) -> list[Path]:
    """The predictions as labels of the frames, and a parity plot beside them where there is something to compare."""
    predicted = [with_labels(frame, labels) for frame, labels in zip(frames, found, strict=True)]
    if given.domain is not None:
        for frame, place in zip(predicted, given.domain.frames, strict=True):
            frame.info |= {"surprise_nats": place.mean_nats, "outside_fraction": place.outside}
    write_frames(out, predicted)
    if given.report is None:
        return [out]
    plot = _plot_of(out)
    _plot(parity_points(frames, found, shift), plot)
    return [out, plot]


def _plot_of(out: Path) -> Path:
    return out.with_name(out.stem + ".parity.svg")


def _plot(points: Parity, path: Path) -> None:
    from matplotlib.figure import Figure

    shown = [
        (text, getattr(points, name))
        for name, text in (
            ("energy_meV_per_atom", "energy, meV/atom"),
            ("force_eV_per_A", "force component, eV/Å"),
            ("stress_GPa", "stress component, GPa"),
        )
        if getattr(points, name) is not None
    ]
    figure = Figure(figsize=(3.6 * len(shown), 3.5), layout="constrained")
    for axes, (text, each) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        limits = [min(*each.label, *each.predicted), max(*each.label, *each.predicted)]
        axes.plot(limits, limits, color="0.5", linewidth=0.8)
        axes.scatter(each.label, each.predicted, s=6, alpha=0.6, linewidths=0)
        axes.set(xlabel=f"label: {text}", ylabel="predicted", title=f"{len(each.label)} of {each.total} points")
    figure.savefig(path, metadata={"Date": None})
