"""``pfd watch``: look on while a driver works, from its journal and its task folders."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from pfd.api import EXIT_CODES
from pfd.cli.progress import LOOK_SECONDS, Display, Follower, JsonDisplay, display_for
from pfd.cli.status import status_lines, status_of
from pfd.workflow.look import Onlooker, last_word


def watch_and_show(run: Path, as_json: bool) -> int:
    """Show a run until no driver works on it; returns the exit code that the run has come to."""
    console = Console(soft_wrap=True, highlight=False)
    display: Display = JsonDisplay() if as_json else display_for(console)
    follower = Follower(display)
    follower.follow(run)
    with display:
        while (look := follower.tick(now=True)) is not None and look.driver is not None:
            time.sleep(LOOK_SECONDS)
    if not as_json:
        for line in status_lines(status_of(run)):
            console.print(line, markup=False)
    return exit_code_of(run)


def exit_code_of(run: Path) -> int:
    """The exit code of the run's last submission."""
    look, events = Onlooker(run).look()
    return int(last_word(events).get("exit_code", EXIT_CODES[look.status]))
