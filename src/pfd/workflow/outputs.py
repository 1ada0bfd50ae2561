"""What the tasks of a run have written, chosen by step, iteration or key: today's names, and those of PFD-kit 0.10."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pfd.config.mistakes import nearest
from pfd.errors import SettingError
from pfd.tasks.folder import TaskFolder

OLDER_STEPS = {
    "prep-run-train": "train",
    "run-train": "train",
    "prep-run-explore": "explore",
    "run-explore": "explore",
    "select-confs": "select",
    "prep-run-fp": "label",
    "run-fp": "label",
    "collect-data": "collect",
    "evaluate": "evaluate-test",
}
"""Step of PFD-kit 0.10 -> today's."""
OLDER_OUTPUTS = {"models": "model", "trajs": "trajectory", "confs": "selected", "labeled_data": "label"}
"""Output of a step of PFD-kit 0.10 -> today's."""
_OLDER_KEY = re.compile(r"^iter-(\d+)--([a-z-]+)$")
_RANGE = re.compile(r"^(\d+)(?:-(\d+))?$")
_LISTED = 8


@dataclass(frozen=True)
class Output:
    """One output of a finished task.

    Attributes:
        place: of the task in the run, such as ``finetune/iter-000/train/0000-3fa9c1d2ab10``.
        name: of the output.
        path: where it is.
    """

    place: str
    name: str
    path: Path

    @property
    def step(self) -> str:
        """The last part of the step's place, such as ``train`` or ``evaluate-test``."""
        return self.place.split("/")[2]

    @property
    def iteration(self) -> int | None:
        """Number of the iteration, None outside of one."""
        part = self.place.split("/")[1]
        return int(part[5:]) if part.startswith("iter-") else None

    @property
    def key(self) -> str:
        """The key of the step: its place with dashes, as on Kubernetes."""
        return "-".join(self.place.split("/")[:3])


@dataclass(frozen=True)
class Selector:
    """Which outputs are wanted; what is not named is no limit.

    Attributes:
        iterations: numbers and ranges: ``0-2,5``.
        definitions: ``STEP`` or ``STEP/OUTPUT``.
        keys: places (``finetune/iter-000/train``), keys (``finetune-iter-000-train``, with ``-0003`` one task of it).
    """

    iterations: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.iterations or self.definitions or self.keys)

    def choose(self, outputs: Sequence[Output]) -> list[Output]:
        """Those of the outputs that are wanted.

        Raises:
            SettingError: naming the first word that none of them fits.
        """
        chosen = list(outputs)
        if self.iterations:
            numbers = {number for word in _words(self.iterations) for number in _iterations(word, outputs)}
            chosen = [output for output in chosen if output.iteration in numbers]
        if self.definitions:
            fits = [_defined(word, outputs) for word in _words(self.definitions)]
            chosen = [output for output in chosen if any((output.step, output.name) in each for each in fits)]
        if self.keys:
            fits_key = [_of_key(word, outputs) for word in _words(self.keys)]
            chosen = [output for output in chosen if any(output in each for each in fits_key)]
        if not chosen:
            what = "no output is of all that was named"
            raise SettingError(what, where="-i, -d, -k", hint="the same run with --list tells what there is")
        return chosen


def outputs_of(tasks: Sequence[TaskFolder]) -> list[Output]:
    """Everything that finished tasks have written, in the order of their places."""
    found = []
    for folder in tasks:
        result = folder.result()
        if result is not None and result.status == "done":
            found += [Output(folder.in_run, name, folder.path / "outputs" / name) for name in sorted(result.outputs)]
    return found


def _words(given: Sequence[str]) -> Iterator[str]:
    for each in given:
        yield from filter(None, each.split(","))


def _iterations(word: str, outputs: Sequence[Output]) -> list[int]:
    span = _RANGE.match(word)
    there = sorted({output.iteration for output in outputs if output.iteration is not None})
    if span is None:
        raise SettingError(f"{word!r} is no iteration", where="--iterations", hint="write numbers and ranges: 0-2,5")
    numbers = range(int(span[1]), int(span[2] or span[1]) + 1)
    meant = [number for number in there if number in numbers]
    if not meant:
        hint = f"there are {', '.join(map(str, there)) or 'none yet'}"
        raise SettingError(f"no iteration {word} in this run", where="--iterations", hint=hint)
    return meant


def _defined(word: str, outputs: Sequence[Output]) -> set[tuple[str, str]]:
    """Steps and outputs that a definition means.

    Raises:
        SettingError: if it means none.
    """
    step, _, name = word.strip("/").partition("/")
    if name.startswith("input/") or name == "input":
        what = f"{word!r} is what a step was given, and that is what an earlier one has written"
        raise SettingError(what, where="--step-definitions", hint="name the step that wrote it: STEP/OUTPUT")
    name = name.removeprefix("output/").removeprefix("output")
    step, name = OLDER_STEPS.get(step, step), OLDER_OUTPUTS.get(name, name)
    steps = sorted({output.step for output in outputs})
    if step not in steps:
        raise _unknown(step, steps, "step", "--step-definitions")
    names = sorted({output.name for output in outputs if output.step == step})
    wanted = [each for each in names if not name or name in {each, each.partition(".")[0]}]
    if not wanted:
        raise _unknown(name, names, f"output of {step}", "--step-definitions")
    return {(step, each) for each in wanted}


def _of_key(word: str, outputs: Sequence[Output]) -> list[Output]:
    """The outputs of a step, or of one of its tasks.

    Raises:
        SettingError: if there is no such key.
    """
    older = _OLDER_KEY.match(word)
    if older is not None:
        step, number = OLDER_STEPS.get(older[2], older[2]), int(older[1])
        found = [output for output in outputs if (output.step, output.iteration) == (step, number)]
    else:
        key = word.strip("/").replace("/", "-")
        found = [output for output in outputs if key in _names_of(output)]
    if not found:
        raise _unknown(word, sorted({output.key for output in outputs}), "key", "--keys")
    return found


def _names_of(output: Output) -> tuple[str, ...]:
    number = output.place.split("/")[3].partition("-")[0]
    return output.key, f"{output.key}-{number}", output.place.replace("/", "-")


def _unknown(word: str, known: Sequence[str], what: str, where: str) -> SettingError:
    guess = nearest(word, known)
    listed = ", ".join(known[:_LISTED]) + (" ..." if len(known) > _LISTED else "")
    return SettingError(f"no {what} {word!r} in this run", where=where, hint=f"{guess}there are {listed or 'none yet'}")
