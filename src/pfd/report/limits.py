"""Limits held against errors, in words: by how much an iteration met or missed them, and on which frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pfd.evaluate import Verdict
from pfd.evaluate.converge import ALL
from pfd.evaluate.error_report import NOT_STATED
from pfd.report.data import IterationResult, ReportData
from pfd.report.table import number, percent

TEST, NEW, OWN_MD = "fixed test set", "new frames", "student's own MD"
NAMES = {
    "force_rmse_eV_per_A": ("force RMSE", "eV/Å"),
    "force_rmse_relative": ("force RMSE", "of the RMS force"),
    "energy_rmse_meV_per_atom": ("energy RMSE", "meV/atom"),
    "stress_rmse_GPa": ("stress RMSE", "GPa"),
}
"""What each limit is on, and its unit."""
UNITS = {"temperature_K": "K", "pressure_GPa": "GPa"}


class HeldSet(NamedTuple):
    """One set of frames with all limits held against it."""

    name: str
    verdicts: tuple[Verdict, ...]


def held_sets(turn: IterationResult, data: ReportData) -> list[HeldSet]:
    """The sets that an iteration was judged by: frames that it had not seen first, then the fixed test set.

    The verdicts stand one set after the other, the test set first, each in the same order: where the first one comes
    again, the second set begins.
    """
    first = turn.verdicts[:1]
    again = [number for number, verdict in enumerate(turn.verdicts) if first and _same_limit(verdict, first[0])]
    cut = again[1] if len(again) > 1 else len(turn.verdicts)
    sets = [HeldSet(unseen_set(turn, data), turn.verdicts[cut:]), HeldSet(TEST, turn.verdicts[:cut])]
    return [held for held in sets if held.verdicts]


def unseen_set(turn: IterationResult, data: ReportData) -> str:
    """What the frames are called that an iteration was judged by before its model trained on them."""
    moved = any(each.name.startswith(f"student-{turn.iteration}-") for each in data.trajectories)
    return OWN_MD if turn.loop == "distill" and moved else NEW


def limits_in_words(turn: IterationResult, data: ReportData) -> str:
    """For each limit and set the figure that is farthest from being met, beside the limit; empty if nothing was judged.

    Such as ``force RMSE on new frames 14.1 % at 1500 K (limit 12 %), on the fixed test set 9.2 % (limit 12 %)``.
    """
    sets = held_sets(turn, data)
    parts, against = [], " against the teacher" if turn.loop == "distill" else ""
    for criterion in dict.fromkeys(verdict.criterion for verdict in turn.verdicts):
        found = [(held.name, [v for v in held.verdicts if v.criterion == criterion]) for held in sets]
        shown = [f"on {'' if name == NEW else 'the '}{name} {_figure(_worst(own))}" for name, own in found if own]
        parts.append(f"{NAMES.get(criterion, (criterion, ''))[0]}{against} {', '.join(shown)}")
    return "; ".join(parts)


def last_turns(data: ReportData) -> list[IterationResult]:
    """The last iteration of each loop, those that did not converge first."""
    last = {turn.loop: turn for turn in data.iterations}
    return sorted(last.values(), key=lambda turn: turn.decision == "converged")


def group_in_words(group: str) -> str:
    """A verdict's group.

    >>> group_in_words("temperature_K=1500"), group_in_words("group=hot"), group_in_words("all")
    ('at 1500 K', 'in group hot', '')
    >>> group_in_words("temperature_K=not stated")
    'where no temperature is stated'
    """
    if group == ALL:
        return ""
    key, _, value = group.partition("=")
    if value == NOT_STATED:
        return f"where no {key.split('_')[0]} is stated"
    return f"at {value} {UNITS[key]}" if key in UNITS else f"in {key} {value}"


def value_in_words(criterion: str, value: float | None, *, exact: bool = False) -> str:
    """A figure in the unit of its limit, relative ones in per cent; with three digits, or exactly."""
    if criterion == "force_rmse_relative":
        return f"{100 * value:g} %" if exact and value is not None else percent(value)
    text = f"{value:g}" if exact and value is not None else number(value)
    return f"{text} {NAMES.get(criterion, ('', ''))[1]}".rstrip()


def _same_limit(one: Verdict, other: Verdict) -> bool:
    return (one.criterion, one.group) == (other.criterion, other.group)


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """A limit that is not met before one that is, one without a figure before the others; else the largest part."""

    def rank(verdict: Verdict) -> tuple[bool, bool, float]:
        part = 0.0 if verdict.value is None else verdict.value / verdict.limit
        return not verdict.passed, verdict.value is None and not verdict.passed, part

    return max(verdicts, key=rank)


def _figure(verdict: Verdict) -> str:
    limit = value_in_words(verdict.criterion, verdict.limit, exact=True)
    where = group_in_words(verdict.group)
    place = f" {where}" if where else ""
    if verdict.value is None:
        return f"unknown{place} ({verdict.note or 'no figure'}; limit {limit})"
    upper = ""
    if verdict.interval is not None and not verdict.passed and verdict.value <= verdict.limit:
        end = value_in_words(verdict.criterion, verdict.interval[1])
        upper = f"its 95 % interval ends at {end}, "  # the limit must hold with confidence
    return f"{value_in_words(verdict.criterion, verdict.value)}{place} ({upper}limit {limit})"
