"""The journal of a run: one JSON object per line, only ever appended to."""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Interval = tuple[float, float]
"""Begin and end, Unix time in seconds."""


class Journal:
    """``journal.jsonl`` of a run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, event: str, **fields: Any) -> None:
        """Append one event with the time; a torn last line of an earlier crash is closed first."""
        text = json.dumps({"time": round(time.time(), 3), "event": event, **fields}, sort_keys=True)
        with self.path.open("a+b") as stream:
            stream.seek(0, os.SEEK_END)
            if stream.tell() > 0:
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":
                    text = "\n" + text
            stream.write(text.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All events, oldest first; lines that were torn by a crash are left out."""
        if not self.path.is_file():
            return []
        events = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(event, dict) and "event" in event and isinstance(event.get("time"), int | float):
                events.append(event)
        return events

    def sessions(self, tasks: Sequence[Interval] = ()) -> list[Interval]:
        """When drivers were at work: from each ``submit`` to the last sign of life before the next one.

        A driver that was killed wrote nothing at its end; the tasks that began under it tell that it lived on. A
        task that outlived its driver counts to its own end (intervals may overlap, see ``union_seconds``).

        Args:
            tasks: begin and end of tasks that are done, Unix time.
        """
        events = self.read()
        begins = [number for number, event in enumerate(events) if event["event"] == "submit"]
        sessions = []
        for at, after in itertools.pairwise([*begins, len(events)]):  # by their order: clocks may be set back
            begin, following = events[at]["time"], events[after]["time"] if after < len(events) else math.inf
            signs = [event["time"] for event in events[at:after]]
            signs += [end for start, end in tasks if begin <= start < following]
            sessions.append((begin, max(signs)))
        return sessions


def union_seconds(intervals: Sequence[Interval]) -> float:
    """Length of the union of intervals, s."""
    total, end = 0.0, -math.inf
    for begin, finish in sorted(intervals):
        total += max(0.0, finish - max(begin, end))
        end = max(end, finish)
    return total
