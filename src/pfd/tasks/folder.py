"""The task folder: the one contract between the loop, the engines and the environments (see ``TaskFolder``)."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pfd.digests import derive_seed, file_digest, json_digest
from pfd.errors import RunError
from pfd.json_file import read_json, write_json
from pfd.schedulers.settings import JobRequest
from pfd.settings import Settings
from pfd.tasks.process import Claim, ProcessName, this_process

FORMAT = 1


class Resources(Settings):
    """What one task may use; outside the task's identity."""

    cores: int = Field(default=1, ge=1)
    memory_GB: float = Field(default=2.0, gt=0)
    walltime_s: float | None = Field(default=None, gt=0)
    gpus: int = Field(default=0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    family: str = ""
    """Family in whose environment the task runs; any will do if empty."""
    job: JobRequest | None = None
    """What a job of a cluster asks for besides; None where the task runs on the driver's machine."""


@dataclass(frozen=True)
class Artifact:
    """A file or folder with its digest."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Artifact:
        """The artifact of an existing file or folder."""
        return cls(path, file_digest(path))


def numbered(name: str, artifacts: Sequence[Artifact]) -> dict[str, Artifact]:
    """Inputs called ``name0``, ``name1`` ..., as ``TaskContext.inputs`` finds them."""
    return {f"{name}{index}": artifact for index, artifact in enumerate(artifacts)}


@dataclass(frozen=True)
class TaskSpec:
    """A task before it has a folder.

    Attributes:
        step: a name in ``pfd.tasks.steps.STEPS``.
        parameters: JSON-able settings of the step.
        inputs: name -> artifact; names are part of the identity, paths are not.
        resources: what it may use.
        how: settings that change how the work is done but not what comes out (commands, paths, time limits);
            outside the identity, laid over ``parameters['settings']`` when the step runs.
    """

    step: str
    parameters: dict[str, Any]
    inputs: dict[str, Artifact] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    how: dict[str, Any] = field(default_factory=dict)

    def identity(self) -> str:
        """sha256 of the canonical JSON of what determines the outputs."""
        digests = {name: artifact.sha256 for name, artifact in self.inputs.items()}
        return json_digest({"format": FORMAT, "step": self.step, "parameters": self.parameters, "inputs": digests})

    def seeded(self, run_seed: int) -> TaskSpec:
        """The same task with ``parameters['seed']`` derived from the run's seed and the identity without it."""
        return TaskSpec(
            self.step,
            {**self.parameters, "seed": derive_seed(run_seed, self.identity())},
            self.inputs,
            self.resources,
            self.how,
        )


class Failure(Settings):
    """Why a task has no result."""

    kind: Literal["transient", "fatal"]
    message: str
    exit_code: int = 1


class Result(Settings):
    """The content of ``result.json``: written last; ``done`` is the only sign of success."""

    status: Literal["done", "failed"]
    failure: Failure | None = None
    outputs: dict[str, str] = Field(default_factory=dict)
    """Output name -> sha256."""
    measured: dict[str, Any] = Field(default_factory=dict)
    """Timings and the like: real, not reproducible, and so not among the outputs."""
    started: float = 0.0
    """Unix time at which the step began, after its imports."""
    seconds: float = 0.0
    """Wall time of the step, imports apart."""
    import_seconds: float = 0.0
    """Interpreter start and imports, counted for the first task of a process."""
    cores: int = 1
    host: str = ""
    attempt: int | None = None
    """Number of the attempt that made it."""
    versions: dict[str, str] = Field(default_factory=dict)
    licences: dict[str, str] = Field(default_factory=dict)
    """Of the packages of ``versions``, where they name one."""


class TaskFolder:
    """One unit of work in one folder.

    task.json      format, step, parameters, inputs {name: {path, sha256}}, resources, identity
    attempts/NN/   one try: claim.json, log.txt, progress.json, scratch; ended.json if it ended without a result
    outputs/       renamed into place only when complete
    result.json    written last, atomically
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._task: dict[str, Any] | None = None
        self._finished: Result | None = None
        self._verified = False

    def __repr__(self) -> str:
        return f"TaskFolder({self.path})"

    @property
    def name(self) -> str:
        """The last three parts of the path: enough for a person to find the folder."""
        return "/".join(self.path.parts[-3:])

    @property
    def in_run(self) -> str:
        """Where it stands in its run, such as ``finetune/iter-000/label/0003-0a1b2c3d4e5f``."""
        return "/".join(self.path.parts[-4:])

    @property
    def place(self) -> tuple[str, ...]:
        """Loop, part and step: the parts of the place it stands at in its run."""
        return self.path.parts[-4:-1]

    @classmethod
    def create(cls, parent: Path, number: int, spec: TaskSpec) -> TaskFolder:
        """Make the folder with its task.json (written anew if the task is open), or return the finished one."""
        identity = spec.identity()
        path = parent / f"{number:04d}-{identity[:12]}"
        there = cls(path)
        if there.done() and there.readable():
            return there
        inputs = {
            name: {"path": os.path.relpath(artifact.path, path), "sha256": artifact.sha256}
            for name, artifact in spec.inputs.items()
        }
        content = {
            "format": FORMAT,
            "step": spec.step,
            "parameters": spec.parameters,
            "inputs": inputs,
            "resources": spec.resources.model_dump(),
            "how": spec.how,
            "identity": identity,
        }
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / "task.json", content)
        return cls(path)

    def identity(self) -> str | None:
        """What task.json says of its identity, None if it is missing or damaged; nothing is kept in memory."""
        content = read_json(self.path / "task.json") if self._task is None else self._task
        return content.get("identity") if isinstance(content, dict) else None

    def readable(self) -> bool:
        """Whether task.json is there and whole; of a finished task it is written anew when the task is asked for."""
        return self.identity() is not None

    def task(self) -> dict[str, Any]:
        """The content of task.json.

        Raises:
            RunError: if it is missing or damaged.
        """
        if self._task is None:
            content = read_json(self.path / "task.json")
            self._task = content if isinstance(content, dict) and "identity" in content else None
        if self._task is None:
            raise RunError("no readable task.json", where=str(self.path), hint="remove this folder and submit again")
        return self._task

    def result(self) -> Result | None:
        """The result, None if there is none (or one that was cut short, which counts as none).

        A result that says ``done`` never changes again, and is read only once.
        """
        if self._finished is not None:
            return self._finished
        try:
            result = Result.model_validate_json((self.path / "result.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None
        if result.status == "done":
            self._finished = result
        return result

    def done(self) -> bool:
        """True if, and only if, result.json says so."""
        result = self.result()
        return result is not None and result.status == "done"

    def verify(self) -> None:
        """Refuse outputs of a finished task that are not what it wrote; they are read once for each object.

        Raises:
            RunError: naming the first.
        """
        result = self.result()
        if self._verified or result is None or result.status != "done":
            return
        for name, digest in result.outputs.items():
            path = self.path / "outputs" / name
            if not path.exists() or file_digest(path) != digest:
                what = "is not what the task wrote" if path.exists() else "of a finished task is gone"
                raise RunError(
                    f"outputs/{name} {what}",
                    where=str(self.path),
                    hint="put it back, or remove this folder and submit again: the task is then done anew (a label is "
                    "then paid for again)",
                )
        self._verified = True

    def given_up(self) -> bool:
        """True if its attempts are used up and the run has gone on without it: submitting again does not retry it."""
        result = self.result()
        return result is not None and result.failure is not None and result.failure.kind == "transient"

    def give_up(self, message: str) -> None:
        """Write down that the run goes on without this task."""
        result = Result(status="failed", failure=Failure(kind="transient", message=message))
        write_json(self.path / "result.json", result.model_dump(mode="json"))

    def forget_failure(self) -> None:
        """Remove a result that says ``failed``: what an earlier submission met says nothing about this one."""
        result = self.result()
        if result is not None and result.status == "failed":
            (self.path / "result.json").unlink(missing_ok=True)

    def input(self, name: str) -> Artifact:
        """One input, with the digest that it had when the task was made."""
        entry = self.task()["inputs"][name]
        return Artifact((self.path / entry["path"]).resolve(), entry["sha256"])

    def output(self, name: str) -> Artifact:
        """One output of a finished task, with the digest that its result states.

        Raises:
            RunError: if the task is not done or has no such output.
        """
        result = self.result()
        if result is None or result.status != "done" or name not in result.outputs:
            raise RunError(f"no finished output {name!r}", where=str(self.path), hint="submit the input again")
        return Artifact(self.path / "outputs" / name, result.outputs[name])

    def attempts(self) -> list[Path]:
        """The folders of all attempts, oldest first."""
        folder = self.path / "attempts"
        if not folder.is_dir():
            return []
        return sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))

    def claimed_by(self) -> ProcessName | None:
        """The living process that works on this task, if there is one."""
        return _holder(self.attempts())

    def claim(self) -> Path | None:
        """Make the next attempt's folder with this process's claim in it; None if a living process has one.

        The folder appears with the claim inside, under the number that follows what was looked at: if another process
        claimed in between, the rename onto its folder fails, and we look again.
        """
        (self.path / "attempts").mkdir(parents=True, exist_ok=True)
        new = self.path / "attempts" / f".new-{uuid.uuid4().hex}"
        new.mkdir()
        write_json(new / "claim.json", this_process().model_dump() | {"monotonic_s": round(time.monotonic(), 3)})
        try:
            while _holder(attempts := self.attempts()) is None:
                number = int(attempts[-1].name) + 1 if attempts else 0
                target = self.path / "attempts" / f"{number:02d}"
                with contextlib.suppress(OSError):
                    new.rename(target)
                    return target
                if not target.is_dir():
                    raise RunError("cannot make an attempt folder", where=str(target), hint="check disk and rights")
            return None
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def end_attempt(self, attempt: Path, message: str, *, counted: bool) -> None:
        """Note that an attempt ended without a result; only counted ones use up the retries."""
        write_json(attempt / "ended.json", {"message": message, "counted": counted})

    def counted_attempts(self) -> list[str]:
        """The messages of those ended attempts that count against the retries."""
        notes = [read_json(attempt / "ended.json") for attempt in self.attempts()]
        return [note["message"] for note in notes if note is not None and note["counted"]]

    def log_tail(self, lines: int = 15) -> str:
        """The end of the newest attempt's log."""
        for attempt in reversed(self.attempts()):
            log = attempt / "log.txt"
            if log.is_file():
                return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""


def _holder(attempts: list[Path]) -> ProcessName | None:
    """The living process that works on one of these attempts."""
    for attempt in reversed(attempts):
        content = read_json(attempt / "claim.json")
        if content is not None and not (attempt / "ended.json").is_file():
            try:
                process = Claim.model_validate(content).process()
            except ValidationError:
                continue  # cut short or damaged: whoever it was did not get far
            if process.alive():
                return process
    return None
