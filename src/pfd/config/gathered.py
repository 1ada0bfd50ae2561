"""Several mistakes of an input told at once, where one does not hide the others."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pfd.errors import InputError, PFDError


class Gathered:
    """Keeps the errors of the blocks that it guards, so that what stands after them is looked at too.

    >>> mistakes = Gathered("input.yaml")
    >>> with mistakes:
    ...     raise SettingError("not there", where="input.yaml: teacher.model")
    >>> mistakes.end()
    Traceback (most recent call last):
    pfd.errors.SettingError: input.yaml: teacher.model: not there

    Args:
        file: the input, as messages name it.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._errors: list[PFDError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, PFDError):
            if error is not None and self._errors:
                error.add_note(f"before that: {self._told()}")
            return False
        if str(error) not in map(str, self._errors):
            self._errors.append(error)
        return True

    def end(self) -> None:
        """Raise what was kept: the error itself if there is one, one error that tells them all if there are more.

        Raises:
            PFDError: if anything was kept; of several, of their common class, else an ``InputError``.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            kinds = {type(error) for error in self._errors}
            kind = kinds.pop() if len(kinds) == 1 else InputError
            told = kind(self._told(), where=self._file)
            told.among = tuple(self._errors)
            raise told

    def _told(self) -> str:
        told = [str(error).removeprefix(f"{self._file}: ").replace("\n", "\n  ") for error in self._errors]
        return "\n  ".join([f"{len(told)} mistakes" if len(told) > 1 else "1 mistake", *told])
