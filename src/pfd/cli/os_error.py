"""What to say of a file that the system will not read or write, and the exit code."""

from __future__ import annotations

import errno

from pfd.workflow.driver_lock import BEGUN

_GOES_ON = "a run goes on where it was when it is submitted again"
_ROOM = "make room on that disk, or raise the quota"
_NOT_ALLOWED = "name another place, or change its owner or permissions"
_NO_SUCH = (
    "look at the path: each folder of it must be there, a folder cannot stand for a file, nor a file for a folder"
)
HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), (_ROOM, 1)),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), (_NOT_ALLOWED, 2)),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP), (_NO_SUCH, 2)),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), ("raise the limit of open files: ulimit -n", 1)),
}
"""Error number -> what to try, and the exit code before work begins: 2 where the path that was named is at fault."""


def os_error_told(error: OSError) -> tuple[str, int]:
    """The message for a person, and the exit code."""
    where = f"{error.filename}: " if error.filename else ""
    hint, code = HINTS.get(error.errno or 0, ("look at the disk and at the permissions there", 1))
    if BEGUN in getattr(error, "__notes__", ()):
        code = 1
    return f"{type(error).__name__}: {where}{error.strerror or error}\n  Try: {hint}; {_GOES_ON}", code
