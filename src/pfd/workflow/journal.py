"""The journal of a run: one JSON object per line, only ever appended to."""

from __future__ import annotations

import contextlib
import fcntl
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
Event = dict[str, Any]
BESIDE = frozenset({"stop", "redo", "reviewed"})
"""Events that are not the driver's: who writes them does so beside it, or between two of them."""


class Journal:
    """``journal.jsonl`` of a run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        """Bytes that ``news`` has told of."""

    def write(self, event: str, **fields: Any) -> None:
        """Append one event with the time; a torn last line of an earlier crash is closed first.

        Processes that append at the same time wait for each other.
        """
        text = json.dumps({"time": round(time.time(), 3), "event": event, **fields}, sort_keys=True)
        with self.path.open("a+b") as stream:
            with contextlib.suppress(OSError):  # without locks, each line is still one write to the end of the file
                fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0, os.SEEK_END)
            if stream.tell() > 0:
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":
                    text = "\n" + text
            stream.write(text.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def read(self) -> list[Event]:
        """All events, oldest first; lines that were torn by a crash are left out."""
        return _events(self.path.read_bytes()) if self.path.is_file() else []

    def news(self) -> list[Event]:
        """The events that were written since the last call; a line that is being written waits for the next."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as stream:
            stream.seek(self._read)
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        return _events(whole)

    def sessions(self, tasks: Sequence[Interval] = ()) -> list[Interval]:
        """When drivers were at work: from each ``submit`` to the last sign of life before the next one.

        A driver that was killed wrote nothing at its end; the tasks that began under it tell that it lived on. A
        task that outlived its driver counts to its own end (intervals may overlap, see ``union_seconds``). The order
        of the lines is what happened, whatever the clock said: no session ends before it begins.

        Args:
            tasks: begin and end of tasks that are done, Unix time.
        """
        events = self.read()
        starts = [number for number, event in enumerate(events) if event["event"] == "submit"]
        sessions = []
        for start, following in itertools.pairwise([*starts, len(events)]):
            begin = events[start]["time"]
            after = events[following]["time"] if following < len(events) else math.inf
            signs = [event["time"] for event in events[start:following] if event["event"] not in BESIDE]
            signs += [end for first, end in tasks if begin <= first < after]
            sessions.append((begin, max(signs)))
        return sessions


def last_submission(events: Sequence[Event]) -> Sequence[Event]:
    """The events from the last ``submit`` on."""
    starts = [index for index, event in enumerate(events) if event["event"] == "submit"]
    return events[starts[-1] :] if starts else events


def union_seconds(intervals: Sequence[Interval]) -> float:
    """Length of the union of intervals, s."""
    total, end = 0.0, -math.inf
    for begin, finish in sorted(intervals):
        total += max(0.0, finish - max(begin, end))
        end = max(end, finish)
    return total


def _events(content: bytes) -> list[Event]:
    events = []
    for line in content.split(b"\n"):
        try:
            event = json.loads(line.decode(errors="replace"))
        except json.JSONDecodeError:
            continue
        if isinstance(event, dict) and "event" in event and isinstance(event.get("time"), int | float):
            events.append(event)
    return events
