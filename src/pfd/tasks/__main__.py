"""``python -m pfd.tasks FOLDER [FOLDER ...]``: run task folders one after the other in this environment."""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run each folder; 0 if all are done, 1 if one failed or holds no result."""
    from pfd.tasks.folder import TaskFolder
    from pfd.tasks.process import seconds_since_start
    from pfd.tasks.runner import run_task

    import_seconds = seconds_since_start()
    complete = True
    for path in arguments:
        began = time.perf_counter()
        result = run_task(TaskFolder(Path(path).resolve()), import_seconds=import_seconds)
        complete &= result is not None and result.status == "done"
        if result is not None and time.perf_counter() - began > 0:
            import_seconds = 0.0
    return 0 if complete else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.stderr.write("usage: python -m pfd.tasks FOLDER [FOLDER ...]\n")
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
