"""What a run folder held when an edited input was first submitted to it: labels that are paid for stay in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pfd.errors import RunError
from pfd.json_file import read_json, write_json
from pfd.tasks.folder import TaskFolder
from pfd.workflow.journal import Journal

JOINED = "kept_labels"
"""The journal's event of labels of earlier inputs that come into the training set."""


@dataclass(frozen=True)
class Earlier:
    """Identities of finished tasks of the fine-tuning loop, taken down once for each edit of the input.

    A snapshot, so that the edited run is the same however often it is killed and submitted again: labels that it adds
    itself are not in it. Those of test sets are left out; they were never trained on.
    """

    selections: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    joined: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Where edits before the last one brought labels in: the selection as it would have been without them -> labels."""

    @classmethod
    def of(cls, run: Path) -> Earlier:
        """What the run folder holds now."""
        selections = _done(run, "finetune/*/select")
        labels = _done(run, "finetune/initial/label") | _done(run, "finetune/iter-*/label")
        events = [event for event in Journal(run / "journal.jsonl").read() if event["event"] == JOINED]
        return cls(selections, labels, {event["selection"]: frozenset(event["labels"]) for event in events})

    @classmethod
    def read(cls, file: Path) -> Earlier:
        """A snapshot that was written.

        Raises:
            RunError: if it is missing or damaged: without it the run would go another way, and pay again.
        """
        content: dict[str, Any] | None = read_json(file)
        if not isinstance(content, dict):
            raise RunError(
                "no readable list of the labels that were there before the input was edited",
                where=str(file),
                hint="put the file back, or write label: {keep_labels: false}",
            )
        joined = {name: frozenset(labels) for name, labels in content.get("joined", {}).items()}
        return cls(frozenset(content.get("selections", ())), frozenset(content.get("labels", ())), joined)

    def write(self, file: Path) -> None:
        """Write the snapshot."""
        joined = {name: sorted(labels) for name, labels in self.joined.items()}
        write_json(file, {"selections": sorted(self.selections), "labels": sorted(self.labels), "joined": joined})


def _done(run: Path, places: str) -> frozenset[str]:
    folders = (TaskFolder(path) for path in run.glob(f"{places}/[0-9][0-9][0-9][0-9]-*"))
    return frozenset(folder.task()["identity"] for folder in folders if folder.done())
