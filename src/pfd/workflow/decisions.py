"""What a person decided of chosen frames, in the journal of the run: approved, or struck out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pfd.workflow.journal import Event, Journal

REVIEWED = "reviewed"
"""The event: the loop that chose the frames, lists of their ids, ``approved`` and ``struck``, and who decided."""
_DECISION = ("loop", "approved", "struck", "by")


def decisions(events: Iterable[Event]) -> dict[str, bool]:
    """Frame id -> whether it was approved; the last word on a frame counts."""
    decided: dict[str, bool] = {}
    for event in events:
        if event["event"] == REVIEWED:
            decided |= dict.fromkeys(event["approved"], True) | dict.fromkeys(event["struck"], False)
    return decided


def struck_out(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The frames that are struck out by the last word on them, in the order of the decisions.

    Returns:
        Each with its ``id``, the ``loop`` that chose it, ``by`` whom and ``when`` (Unix time, s) it was struck out.
    """
    struck: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] == REVIEWED:
            for name in (*event["approved"], *event["struck"]):
                struck.pop(name, None)
            told = {"loop": event["loop"], "by": event["by"], "when": event["time"]}
            struck |= {name: {"id": name, **told} for name in event["struck"]}
    return list(struck.values())


def decide(run: Path, loop: str, approved: Sequence[str], struck: Sequence[str], by: str) -> None:
    """Write a person's decision into the journal.

    Args:
        run: the run folder.
        loop: the loop that chose the frames.
        approved: ids of frames that are to be labelled.
        struck: ids of frames that are not to be labelled, nor chosen again.
        by: who decided.
    """
    Journal(run / "journal.jsonl").write(REVIEWED, loop=loop, approved=sorted(approved), struck=sorted(struck), by=by)


def keep_decisions(before: Sequence[Event], journal: Journal) -> None:
    """Write decisions that the journal of a run on Kubernetes does not know into it, before it takes the place of ours.

    Args:
        before: the events of the journal that is to be replaced.
        journal: the one that is to take its place.
    """
    known = [event for event in journal.read() if event["event"] == REVIEWED]
    for event in before:
        if event["event"] == REVIEWED and not any(_same(event, each) for each in known):
            journal.write(REVIEWED, **{key: event[key] for key in _DECISION})


def _same(one: Event, other: Event) -> bool:
    return all(one[key] == other[key] for key in _DECISION)


def before_last_edit(events: Sequence[Event]) -> Sequence[Event]:
    """The events of earlier inputs: none if the input was never edited."""
    submissions = [(number, event["edited"]) for number, event in enumerate(events) if event["event"] == "submit"]
    last = max((edited for _, edited in submissions), default=0)
    first = next((number for number, edited in submissions if edited == last), 0)
    return events[:first] if last else []
