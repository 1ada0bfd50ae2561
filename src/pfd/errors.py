"""Every error that PFD-kit raises on purpose: each says what happened, where, and what to try.

PFDError
├── InputError            the user's input cannot be run as written        exit code 2
│   ├── SettingError      one key of the input file, or one option
│   ├── DataError         frames or labels are not fit for their use
│   └── ModelError        a checkpoint, head or element that does not fit
├── MissingError          a program or package is not installed            exit code 2
├── RunError              a run folder is locked, foreign or damaged       exit code 2
├── TaskFailed            a task ended for good without a result           exit code 1
├── TransientError        killed, out of time, memory or disk: try again   (retried by the engine)
└── LabelRejected         one frame's label is not fit for training        (counted, never fatal)
"""

from __future__ import annotations


class PFDError(Exception):
    """Base of all deliberate errors.

    Args:
        what: what happened, in one sentence.
        where: the file, key, frame or task it happened at.
        hint: what the user can try, in the imperative.

    Attributes:
        exit_code: of a command that ends with it.
        among: the errors that this one tells at once; empty if it is one by itself.
    """

    exit_code: int = 1
    among: tuple[PFDError, ...] = ()

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what, where, hint)

    def __str__(self) -> str:
        first = f"{self.where}: {self.what}" if self.where else self.what
        return f"{first}\n  Try: {self.hint}" if self.hint else first


class InputError(PFDError):
    """The user's input cannot be run as written."""

    exit_code = 2


class SettingError(InputError):
    """One key of the input file, or one command-line option, is wrong."""


class DataError(InputError):
    """Frames or labels are not fit for the use they are put to."""


class ModelError(InputError):
    """A checkpoint, a head or an element does not fit the family or the material."""


class MissingError(PFDError):
    """A program or a package is not installed; the hint holds the command that installs it."""

    exit_code = 2


class RunError(PFDError):
    """A run folder is locked by another driver, belongs to another run, or is damaged."""

    exit_code = 2


class TaskFailed(PFDError):
    """A task ended for good without a result; the run stops and can be resumed after a mend.

    Args:
        what, where, hint: as in ``PFDError``.
        exit_code: 2 if the task found the user's input at fault, else 1.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", exit_code: int = 1) -> None:
        super().__init__(what, where=where, hint=hint)
        self.exit_code = exit_code


class TransientError(PFDError):
    """Something outside the task's control ended it (kill, time, memory, disk): a new attempt may succeed."""


class LabelRejected(PFDError):
    """One frame's label does not meet the acceptance rules; the frame is named, counted and skipped."""


def each_of(error: PFDError) -> list[PFDError]:
    """The errors that an error tells, one by one."""
    return [one for part in error.among for one in each_of(part)] or [error]


def error_content(error: PFDError) -> dict[str, str]:
    """An error as text, for another process."""
    content = {"kind": type(error).__name__, "what": error.what, "where": error.where, "hint": error.hint}
    return content | {"exit_code": str(error.exit_code)}


def error_of(content: dict[str, str]) -> PFDError:
    """The error of another process; a class that is not of this module becomes the one of its exit code."""
    known: dict[str, type[PFDError]] = {kind.__name__: kind for kind in _all_kinds(PFDError)}
    of_code = InputError if content["exit_code"] == "2" else TaskFailed
    kind = known.get(content["kind"], of_code)
    return kind(content["what"], where=content["where"], hint=content["hint"])


def _all_kinds(kind: type[PFDError]) -> list[type[PFDError]]:
    return [
        kind,
        *(each for below in kind.__subclasses__() if below.__module__ == __name__ for each in _all_kinds(below)),
    ]
