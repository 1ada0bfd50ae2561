"""``pfd report``: write the page, print the table, and before the end of a run where it stands; or serve the page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pfd.cli.status import ENDED, show_status, status_of
from pfd.cli.submit import print_table
from pfd.errors import SettingError
from pfd.report.page import write_report
from pfd.report.server import PORT, ReportServer


def report_run(run: Path, *, serve: bool, port: int | None) -> None:
    """Write the page and show where the run stands, or serve the page.

    Raises:
        RunError: if there is no run, or a file of it is damaged.
        SettingError: if the port cannot be had, or nothing is served that could have one.
    """
    if serve:
        _serve(run, PORT if port is None else port)
    elif port is not None:
        raise SettingError("no page is served that could have a port", where="--port", hint="add --serve")
    else:
        _write_and_show(run)


def _write_and_show(run: Path) -> None:
    page = write_report(run)
    console = Console(soft_wrap=True, highlight=False)
    if not print_table(run):
        console.print("no model has been compared on the fixed test set yet")
    if status_of(run)["status"] not in ENDED:
        show_status(run, as_json=False)
    console.print(f"report: {page}", markup=False)


def _serve(run: Path, port: int) -> None:
    """Serve the page until Ctrl-C; nothing is written."""
    try:
        with ReportServer(run, port) as server:
            print(f"{server.address}  (to this machine only; Ctrl-C ends it)", flush=True)
            server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        print()
