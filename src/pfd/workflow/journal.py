"""The journal of a run: one JSON object per line, only ever appended to."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


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
            if isinstance(event, dict) and "event" in event and "time" in event:
                events.append(event)
        return events

    def wall_seconds(self) -> float:
        """Seconds that drivers were at work: from each ``submit`` to the last event before the next one."""
        total, began, last = 0.0, None, 0.0
        for event in self.read():
            if event["event"] == "submit":
                total += last - began if began is not None else 0.0
                began = event["time"]
            last = event["time"]
        return total + (last - began if began is not None else 0.0)
