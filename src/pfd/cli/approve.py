"""``pfd approve``: look at the frames that wait to be labelled, and strike some out."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from pfd.cli.wide_table import show_table
from pfd.errors import RunError, SettingError
from pfd.frames import MODEL_FORCE_KEY
from pfd.wording import counted, shell_word
from pfd.workflow.argo.submitted import workflow_of
from pfd.workflow.decisions import decide, decisions
from pfd.workflow.journal import Journal
from pfd.workflow.look import Onlooker
from pfd.workflow.review import FILE, FOLDER, GAIN_KEY, PLACE_KEY, to_approve

if TYPE_CHECKING:
    from ase import Atoms

STEM_DIGITS = 3
"""Fewest characters of a frame's id that name it; shorter words are numbers of the table."""
NAMES = "trajectory: loop-iteration-s(stage)-g(group)-x(structure)-temperature-r(replica), all counted from 0"
_RANGE = re.compile(r"^(\d+)(?:-(\d+))?$")


def approve_and_show(run: Path, strike: Sequence[str], *, everything: bool, as_json: bool) -> None:
    """Show the frames that wait, or write down what is decided of them.

    Args:
        run: the run folder.
        strike: frames to strike out: numbers of the table, ranges of them, or beginnings of ids; the others are
            approved.
        everything: approve them all.
        as_json: print JSON.

    Raises:
        RunError: if no frames of this run wait to be looked at.
        SettingError: if a word names no frame, or several.
    """
    frames = waiting_frames(run)
    if strike and everything:
        hint = "leave --all out: frames that are not struck out are approved"
        raise SettingError("all frames are approved, and some are struck out", where="--strike", hint=hint)
    if not strike and not everything:
        _show(run, frames, as_json)
        return
    ids = [str(frame.info["id"]) for frame in frames]
    struck = {ids[number] for word in strike for number in _numbers(word, ids, run)}
    approved = [name for name in ids if name not in struck]
    loop = str(frames[0].info[PLACE_KEY]).partition("/")[0]
    before = decisions(Journal(run / "journal.jsonl").read())
    again = [name for name in approved if before.get(name) is False]
    decide(run, loop, approved, sorted(struck), getpass.getuser())
    goes_on = f"pfd {'submit' if workflow_of(run) is None else 'resubmit'} {shell_word(run)}"
    if as_json:
        told = {"approved": approved, "struck": sorted(struck), "approved_again": again, "next": goes_on}
        print(json.dumps(told, indent=1))
        return
    left_out = f", {len(struck)} struck out: {', '.join(sorted(struck))}" if struck else ""
    print(f"{counted(len(approved), 'frame')} approved{left_out}")
    if again:
        print(f"the last decision counts: {', '.join(again)} struck out before, and approved now")
    print(f"{goes_on} goes on")


def waiting_frames(run: Path) -> list[Atoms]:
    """The frames that somebody is to look at; until the run goes on, decisions of them may be changed.

    Raises:
        RunError: if there are none.
    """
    look, events = Onlooker(run).look()
    frames = to_approve(run, events)
    if look.driver is not None or not frames:
        hint = "finetune.pause: before_label (or distill.pause) lets a run wait when it has chosen frames"
        raise RunError(f"no frames wait to be looked at; the run is {look.status}", where=str(run), hint=hint)
    return frames


def _numbers(word: str, ids: Sequence[str], run: Path) -> list[int]:
    """Which frames a word means, counted from 0.

    Raises:
        SettingError: if it names none, or an id that is not the only one.
    """
    found: list[int] = []
    for part in filter(None, word.split(",")):
        span = _RANGE.match(part)
        if span is not None:
            first, last = int(span[1]), int(span[2] or span[1])
            if not 1 <= first <= last <= len(ids):
                hint = f"the table has the numbers 1 to {len(ids)}"
                raise SettingError(f"no frame {part!r} among those that wait", where="--strike", hint=hint)
            found += range(first - 1, last)
            continue
        fits = [number for number, name in enumerate(ids) if len(part) >= STEM_DIGITS and name.startswith(part)]
        if len(fits) != 1:
            what = f"{part!r} may be any of {', '.join(ids[each] for each in fits)}" if fits else f"no frame {part!r}"
            hint = (
                "name a number of the table, a range such as 3-5, or the beginning of an id; "
                f"pfd approve {shell_word(run)} lists them"
            )
            raise SettingError(what, where="--strike", hint=hint)
        found += fits
    return found


def _show(run: Path, frames: Sequence[Atoms], as_json: bool) -> None:
    decided = decisions(Journal(run / "journal.jsonl").read())
    rows = [_row(number, frame, decided) for number, frame in enumerate(frames, 1)]
    file = run / FOLDER / FILE
    if as_json:
        print(json.dumps({"file": str(file), "frames": rows}, indent=1))
        return
    table = Table(title=f"{counted(len(frames), 'frame')} to be labelled")
    columns = {
        "number": "",
        "id": "frame",
        "chosen_in": "chosen in",
        "formula": "formula",
        "trajectory": "trajectory",
        "step": "step",
        "temperature_K": "temperature\nK",
        "pressure_GPa": "pressure\nGPa",
        "gain_nats": "gain\nnats",
        "max_force_eV_per_A": "largest\nforce\neV/Å",
        "decided": "",
    }
    shown = {key: title for key, title in columns.items() if any(row[key] is not None for row in rows)}
    for key, title in shown.items():
        words = key in {"id", "chosen_in", "formula", "trajectory", "decided"}
        table.add_column(title, justify="left" if words else "right")
    for row in rows:
        table.add_row(*(_text(row[key]) for key in shown))
    show_table(table)
    if "trajectory" in shown:
        print(NAMES)
    print(f"frames: {file}   (ase gui {shell_word(file)} shows them)")
    approve = f"pfd approve {shell_word(run)}"
    print(f"{approve} --all takes them all; {approve} --strike 3 --strike 5-7 all but those")


def _row(number: int, frame: Atoms, decided: dict[str, bool]) -> dict[str, Any]:
    info = frame.info
    word = {None: None, True: "approved", False: "struck out"}[decided.get(info["id"])]
    return {
        "number": number,
        "id": info["id"],
        "chosen_in": info[PLACE_KEY].replace("/", " ").replace("iter-", "iteration "),
        "formula": frame.get_chemical_formula("hill"),
        "trajectory": info.get("trajectory"),
        "step": _plain(info.get("step")),
        "temperature_K": _plain(info.get("temperature_K")),
        "pressure_GPa": _plain(info.get("pressure_GPa")),
        "gain_nats": _plain(info.get(GAIN_KEY)),
        "max_force_eV_per_A": _plain(info.get(MODEL_FORCE_KEY)),
        "decided": word,
    }


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    return value.item() if hasattr(value, "item") else value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
