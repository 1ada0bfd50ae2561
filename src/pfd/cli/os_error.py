"""What to say of a file that the system will not read or write."""

from __future__ import annotations

import errno

_ROOM = "make room on that disk, or raise the quota"
_NOT_ALLOWED = "name another place, or change its owner or permissions"
_NO_SUCH = "look at the path: each folder of it must be there, and be a folder"
HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _NOT_ALLOWED),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP), _NO_SUCH),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit of open files: ulimit -n"),
}
"""Error number -> what to try."""


def os_error_told(error: OSError) -> str:
    """The message for a person."""
    where = f"{error.filename}: " if error.filename else ""
    hint = HINTS.get(error.errno or 0, "look at the disk and at the permissions there")
    told = f"{type(error).__name__}: {where}{error.strerror or error}"
    return f"{told}\n  Try: {hint}; a run, if there was one, goes on where it was when it is submitted again"
