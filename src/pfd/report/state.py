"""Where a run stands at one moment, as the served page says it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pfd.report.words import duration, left_in_words, place_in_words
from pfd.wording import counted
from pfd.workflow.look import Look


@dataclass(frozen=True)
class State:
    """A run at one moment.

    Attributes:
        token: names what the page shows: another token, another page.
        lines: where the run stands, for a person.
        fraction: of the present group of tasks, 0 to 1; None between groups.
    """

    token: str
    lines: tuple[str, ...]
    fraction: float | None

    def as_json(self) -> str:
        """For the script of the page."""
        return json.dumps({"token": self.token, "lines": self.lines, "fraction": self.fraction})


def lines_of(look: Look) -> tuple[str, ...]:
    """The status; the place, how many of its tasks are done, what one of them says; what is left."""
    lines = [f"{look.status.replace('_', ' ')}{f' ({look.error})' if look.error else ''}, {duration(look.seconds)}"]
    if look.place and look.status == "running":
        running = f", {look.running} running" if look.running else ""
        failed = f", {look.failed} failed" if look.failed else ""
        done = f"{look.done} of {counted(look.total, 'task')} done{running}{failed}"
        lines.append(f"{place_in_words(look.place)}: {done}")
        lines += [look.text] if look.text else []
        left = left_in_words(look.step_left_s, look.iteration_left_s)
        lines += [left] if left else []
    return tuple(lines)
