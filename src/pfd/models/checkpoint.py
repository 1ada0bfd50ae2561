"""Reading a torch family's checkpoint: whatever is wrong with the file becomes one error."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from pfd.errors import ModelError

UNREADABLE = (
    pickle.UnpicklingError,  # no pickle, or one that would run code
    OSError,  # a truncated archive
    RuntimeError,  # no archive, or weights of other shapes
    EOFError,
    LookupError,  # keys that are not there
    AttributeError,
    TypeError,
    ValueError,
    AssertionError,
)
"""What torch and the families' packages raise at files that are none of theirs."""


def packaged_file(package: str, path: str) -> Path:
    """Where a file lies that came with a package, which is not imported.

    Raises:
        ModelError: if the package has no place on disk.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModelError(f"the package {package} has no place on disk", where=path)
    return Path(spec.origin).parent / path


@contextmanager
def reading_checkpoint(kind: str, path: Path, hint: str) -> Iterator[None]:
    """Within it, a file is read as a checkpoint of that kind.

    Args:
        kind: the family's name, as it is written.
        path: the file.
        hint: what to try if it is not there.

    Raises:
        ModelError: if the file is missing, or it or its content cannot be read.
    """
    if not path.is_file():
        raise ModelError("no such checkpoint", where=str(path), hint=hint)
    try:
        yield
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"not a {kind} checkpoint ({reason})", where=str(path)) from error
