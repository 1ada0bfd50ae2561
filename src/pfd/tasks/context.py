"""What a step sees of its task: parameters, input files, places for outputs and scratch, and progress."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any, Literal

from pfd.json_file import write_json
from pfd.tasks.folder import TaskFolder


class TaskContext:
    """Handed to a step function; everything it needs is here, nothing else of the run is.

    Attributes:
        parameters: the parameters of task.json.
        scratch: an empty folder for temporary files, removed when the task is done.
        cores: how many threads the step may use.
        device: where its model should run: auto, cpu or cuda (``models.device`` decides).
    """

    def __init__(self, folder: TaskFolder, attempt: Path) -> None:
        task = folder.task()
        self.parameters: dict[str, Any] = copy.deepcopy(task["parameters"])
        if task.get("how"):
            self.parameters["settings"] |= task["how"]
        self.cores: int = task["resources"]["cores"]
        self.device: Literal["auto", "cpu", "cuda"] = task["resources"]["device"]
        self.scratch = attempt / "scratch"
        self.scratch.mkdir()
        self.staged = attempt / "outputs"
        self.staged.mkdir()
        self._attempt = attempt
        self._inputs = {name: (folder.path / entry["path"]).resolve() for name, entry in task["inputs"].items()}
        self._last_progress = 0.0

    @property
    def seed(self) -> int:
        """The task's own seed."""
        return int(self.parameters["seed"])

    def has(self, name: str) -> bool:
        """True if the task has an input of that name."""
        return name in self._inputs

    def input(self, name: str) -> Path:
        """The path of an input."""
        path: Path = self._inputs[name]
        return path

    def inputs(self, prefix: str) -> list[Path]:
        """The paths of all inputs whose name is ``prefix`` and a number, in that order."""
        numbered = [
            (int(name[len(prefix) :]), path)
            for name, path in self._inputs.items()
            if name.startswith(prefix) and name[len(prefix) :].isdigit()
        ]
        return [path for _, path in sorted(numbered)]

    def out(self, name: str) -> Path:
        """Where to write an output; it becomes visible to others when the step has returned."""
        return self.staged / name

    def beside(self, name: str) -> Path:
        """Where to leave what is no output, such as an engine's own files: it stays with the attempt."""
        return self._attempt / name

    def left_beside(self, name: str) -> list[Path]:
        """What earlier attempts left under a name of ``beside``."""
        earlier = [path for path in self._attempt.parent.iterdir() if path != self._attempt]
        return [path / name for path in sorted(earlier) if (path / name).exists()]

    def write(self, name: str, content: Any) -> None:
        """Write a JSON output (sorted keys, NaN refused)."""
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
        self.out(name).write_text(text + "\n", encoding="utf-8")

    def progress(self, fraction: float, text: str) -> None:
        """Say how far the step is; written at most twice a second."""
        now = time.monotonic()
        if now - self._last_progress > 0.5 or fraction >= 1.0:
            self._last_progress = now
            write_json(self._attempt / "progress.json", {"fraction": fraction, "text": text})
