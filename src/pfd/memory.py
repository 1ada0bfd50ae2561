"""Out of memory: many libraries say it, few with a MemoryError."""

from __future__ import annotations

ALLOCATOR_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "unable to allocate",
    "bad_alloc",
)
"""What torch (CPU and CUDA), matscipy, numpy and the C++ library say, in lower case."""


def out_of_memory(error: BaseException) -> bool:
    """True for a MemoryError, and for a RuntimeError or OSError with an allocator's words.

    >>> out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    words = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | OSError) and any(part in words for part in ALLOCATOR_WORDS)
    )
