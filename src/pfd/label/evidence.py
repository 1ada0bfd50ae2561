"""What stays of an engine's files, and the disk on which it works."""

from __future__ import annotations

import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pfd.errors import TransientError

Keep = Literal["all", "evidence", "none"]
_OURS = "pfd-scratch"


def prune(folder: Path, keep: Keep, evidence: Sequence[str]) -> None:
    """Remove from a folder what the rule does not keep, and the folders that are empty then.

    Args:
        folder: where an engine has worked.
        keep: ``all``; ``evidence``: what matches a pattern; ``none``.
        evidence: patterns of paths from the folder's subfolders on, such as ``pw.out``, or ``OUT.*/INPUT``.
    """
    if keep == "all" or not folder.is_dir():
        return
    kept = {path for pattern in evidence for path in folder.glob(f"*/{pattern}")} if keep == "evidence" else set()
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder comes before it
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()


def remove_private(folder: Path, names: Sequence[str]) -> None:
    """Remove files of these names wherever they stand in a folder."""
    for name in names:
        for path in folder.rglob(name):
            path.unlink(missing_ok=True)


@contextmanager
def working_folder(scratch: Path, disk: Path | None) -> Iterator[Path]:
    """Within it, a folder to work in: the scratch folder, or one on another disk, from which all is moved there.

    Folders on that disk whose process was killed are removed by the next process of the same host.

    Raises:
        TransientError: if no folder can be made on that disk, which may be another one on the next node, or the files
            cannot be moved.
    """
    if disk is None:
        yield scratch
        return
    host, pid = socket.gethostname(), os.getpid()
    try:
        mine = re.compile(rf"{_OURS}-{re.escape(host)}-(\d+)-[0-9a-f]{{8}}")
        for left in disk.iterdir():
            if (owner := mine.fullmatch(left.name)) and not _alive(int(owner[1])):
                shutil.rmtree(left, ignore_errors=True)
        folder = disk / f"{_OURS}-{host}-{pid}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
    except OSError as error:
        what = f"no folder can be made in {disk}: {error.strerror}"
        raise TransientError(
            what, where="finetune.label.scratch_dir", hint="name a folder that may be written to"
        ) from error
    try:
        yield folder
    finally:
        try:
            shutil.copytree(folder, scratch, dirs_exist_ok=True, symlinks=True)
        except OSError as error:
            what = f"the engine's files cannot be moved from {disk}: {error}"
            raise TransientError(what, where=str(scratch), hint="is the disk of the run folder full?") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
