"""Progress of many runs: a table with a line for each on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console

from pfd.cli.progress import event_lines, notes
from pfd.report.words import duration, place_in_words
from pfd.workflow.journal import Event, last_submission
from pfd.workflow.look import Look

State = tuple[str, str, Look | None, list[Event]]
"""Name of a run, a word on it, how it looks, and what has happened since it was last shown."""


class ManyDisplay(Protocol):
    """Shows how far many runs are."""

    def show(self, states: Sequence[State]) -> None:
        """Show them as they are."""

    def __enter__(self) -> ManyDisplay: ...

    def __exit__(self, *_: object) -> None: ...


def many_display(console: Console) -> ManyDisplay:
    """A table on a terminal, lines elsewhere."""
    return _Table(console) if console.is_terminal else _Lines(console)


class _Table:
    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._live = Live(console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> _Table:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, states: Sequence[State]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table("run", "", "at", "tasks", "", "time")
        for name, word, look, _ in states:
            if look is None or look.driver is None:
                table.add_row(name, word, "", "", "", "")
                continue
            place = place_in_words(look.place) if look.place else ""
            tasks = f"{look.done}/{look.total}" if look.total else ""
            table.add_row(name, word, place, tasks, Text(notes(look)), duration(look.seconds))
        self._live.update(table)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._words: dict[str, str] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, states: Sequence[State]) -> None:
        for name, word, _, news in states:
            lines = event_lines(news if name in self._words else last_submission(news))
            lines += [word] if self._words.get(name) != word else []
            self._words[name] = word
            for line in lines:
                self._console.print(f"{name}: {line}", markup=False, highlight=False, soft_wrap=True)
