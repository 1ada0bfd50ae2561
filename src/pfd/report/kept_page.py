"""The page in the run folder, written again now and then while the run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PERIOD_S = 300.0
"""Least time between two pages: one takes some seconds of the driver's. ``pfd report --serve`` is newer."""


class KeptPage:
    """Called whenever a run has written new results.

    Args:
        run: the run folder.
        clock: seconds, for tests.
    """

    def __init__(self, run: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._clock = run, clock
        self._last = clock()

    def __call__(self) -> None:
        """Write the page if the last one is old.

        Raises:
            OSError: if it cannot be written.
        """
        from pfd.report.page import write_report

        if self._clock() - self._last >= PERIOD_S:
            write_report(self._run)
            self._last = self._clock()
