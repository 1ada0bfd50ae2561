"""``python -m pfd.tasks FOLDER [FOLDER ...]``: run task folders one after the other in this environment."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run each folder; 0 if all are done, 3 if one failed or holds no result.

    A task that failed for good is the last one; so is the running one when SIGUSR1 comes, or when the file appears that
    ``STOP_VARIABLE`` names (by these an engine says that a task in another process has failed for good).
    """
    from pfd.tasks.folder import TaskFolder
    from pfd.tasks.process import STOP_VARIABLE, seconds_since_start
    from pfd.tasks.runner import NO_RESULT, run_task

    asked_to_stop: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: asked_to_stop.append(number))
    import_seconds = seconds_since_start()
    complete = True
    stop = os.environ.get(STOP_VARIABLE)
    for path in arguments:
        if asked_to_stop or (stop and Path(stop).exists()):
            return NO_RESULT
        result = run_task(TaskFolder(Path(path).resolve()), import_seconds=import_seconds)
        complete &= result is not None and result.status == "done"
        if result is not None and result.status == "failed":
            return NO_RESULT
        import_seconds = 0.0
    return 0 if complete else NO_RESULT


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.stderr.write("usage: python -m pfd.tasks FOLDER [FOLDER ...]\n")
        sys.exit(2)
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # results are on disk: tearing a large package down would take up to a second more
