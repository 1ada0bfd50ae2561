"""``pfd report``: write the page, print the table, and before the end of a run where it stands."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pfd.cli.status import ENDED, show_status, status_of
from pfd.cli.submit import print_table
from pfd.report.page import write_report


def write_and_show(run: Path) -> None:
    """Write ``report.html`` and print what there is so far.

    Raises:
        RunError: if a file of the run is damaged.
    """
    page = write_report(run)
    console = Console(soft_wrap=True, highlight=False)
    if not print_table(run):
        console.print("no model has been compared on the fixed test set yet")
    if status_of(run)["status"] not in ENDED:
        show_status(run, as_json=False)
    console.print(f"report: {page}", markup=False)
