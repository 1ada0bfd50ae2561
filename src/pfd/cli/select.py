"""``pfd select``: choose frames worth a label from files alone, and draw what each pick added."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from pfd.cli.hints import hints
from pfd.cli.out_file import require_extended_xyz, require_new, require_writable
from pfd.errors import DataError, SettingError
from pfd.frames import write_frames
from pfd.frames.outside import read_outside
from pfd.select import SelectSettings, select_frames
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.select import Selection

HINTS = {
    "`format:`": "the format is told by the name; `ase convert FILE FILE.extxyz` makes extended XYZ of what ASE reads",
    "key": "correct or remove the labels: none are needed to choose frames",
}

SCORED = ("entropy", "mixed")
"""Methods that compare frames by a score."""
DRAWN = ("random", "mixed")
"""Methods that draw lots."""


def select_from_files(
    pool: list[Path],
    reference: list[Path],
    max_frames: int,
    out: Path,
    method: str,
    score: str | None,
    seed: int | None,
    min_gain_nats: float | None,
    as_json: bool,
    *,
    force: bool = False,
) -> None:
    """Write the chosen frames, in the order of the picks, and beside them a plot of the gain per pick.

    Raises:
        SettingError: if the method or score is unknown, or the output is there, cannot be written, or is an input.
        DataError: if a file cannot be read, the pool is empty, or its description does not fit into memory.
    """
    settings = _settings(method, score, max_frames, min_gain_nats)
    if seed is not None and method not in DRAWN:
        raise SettingError(f"without effect: {method} draws nothing", where="--seed", hint="leave the option out")
    require_writable(out, (*pool, *reference), "--out")
    require_extended_xyz(out, "--out")
    for path in () if force else (out, _plot_of(out)):
        require_new(path, "--out", "name another file, or write over it with --force")
    with hints(HINTS):
        candidates = [frame for path in pool for frame in _frames_of(path)]
        known = [frame for path in reference for frame in _frames_of(path)]
    if not candidates:
        raise DataError("no frames to choose from", where=", ".join(map(str, pool)), hint="name a file with frames")
    if reference and not known:
        raise DataError("no frames to compare with", where=", ".join(map(str, reference)), hint="leave --reference out")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("selecting", total=1.0)
        chosen = select_frames(
            candidates,
            known,
            settings,
            seed or 0,
            lambda fraction, text: bar.update(task, completed=fraction, description=text),
        )
    plot = None
    if chosen.indices:
        write_frames(out, [candidates[index] for index in chosen.indices])
        plot = _plot(chosen, out) if chosen.gains else None
    _show(chosen, out, plot, as_json)
    if not chosen.passed:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in chosen.rejected.items())
        raise DataError(
            f"no frame of {chosen.candidates} passed the gate: {reasons}",
            where=", ".join(map(str, pool)),
            hint="known frames need no label; broken ones come from an exploration that exploded",
        )


def _settings(method: str, score: str | None, max_frames: int, min_gain_nats: float | None) -> SelectSettings:
    for option, value, field in (("--method", method, "method"), ("--score", score, "score")):
        known = get_args(SelectSettings.model_fields[field].annotation)
        if value is not None and value not in known:
            raise SettingError(f"unknown {field} {value!r}", where=option, hint=f"one of {', '.join(known)}")
    given = {"method": method, "max_frames": max_frames, "min_gain_nats": min_gain_nats}
    if score is not None and method not in SCORED:
        raise SettingError(f"without effect in method {method}", where="--score", hint="leave the option out")
    if score is not None:
        given["score"] = score
    if min_gain_nats is not None and not math.isfinite(min_gain_nats):
        raise SettingError("not a finite number", where=f"--min-gain-nats {min_gain_nats}", hint="such as 0.1")
    try:
        return SelectSettings.model_validate(given)
    except ValidationError as error:
        option = "--min-gain-nats" if min_gain_nats is not None else "--max"
        what = str(error.errors()[0]["msg"]).removeprefix("Value error, ").partition(";")[0]
        raise SettingError(what, where=option, hint="leave the option out, or choose another --method") from error


def _frames_of(path: Path) -> list[Atoms]:
    """The frames of a file of any format that is known by its name; of an empty one none."""
    if path.is_file() and path.stat().st_size == 0:
        return []
    found = read_outside(path, needs_labels=False)
    for line in found.left_out:
        Console(stderr=True).print(f"{path}: {line}", markup=False, highlight=False, soft_wrap=True)
    return list(found.frames)


def _plot_of(out: Path) -> Path:
    """The plot of the gain per pick, beside the frames."""
    return out.with_name(out.stem + ".gains.svg")


def _plot(chosen: Selection, out: Path) -> Path:
    from matplotlib.figure import Figure

    path = _plot_of(out)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(chosen.gains) + 1), chosen.gains, marker="o", markersize=3)
    axes.set(xlabel="pick", ylabel="gain, nats", title=f"{len(chosen.indices)} of {chosen.candidates} frames")
    axes.axhline(0.0, color="0.7", linewidth=0.8)
    figure.savefig(path, metadata={"Date": None})
    return path


def _show(chosen: Selection, out: Path, plot: Path | None, as_json: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        content: dict[str, Any] = {
            "selected": len(chosen.indices),
            "indices": list(chosen.indices),
            "gains": list(chosen.gains),
            "candidates": chosen.candidates,
            "passed": chosen.passed,
            "insane": chosen.insane,
            "refused": chosen.rejected,
            "out": str(out) if chosen.indices else None,
            "plot": str(plot) if plot else None,
        }
        console.print(json.dumps(content, indent=1), markup=False)
        return
    for reason, count in chosen.rejected.items():
        console.print(f"refused {count}: {reason}")
    if chosen.indices:
        console.print(
            f"{out}: {len(chosen.indices)} of {counted(chosen.passed, 'sane and new frame')} "
            f"({chosen.candidates} in all)",
            markup=False,
        )
    elif chosen.passed:
        console.print("nothing selected: no frame surprises as much as --min-gain-nats asks for")
    if plot:
        console.print(f"gain per pick: {plot}")
