"""``pfd report``: write the page, print the table, and before the end of a run where it stands; or serve the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

from pfd.cli.out_file import require_new, require_writable
from pfd.cli.status import ENDED, show_status, status_of
from pfd.cli.submit import print_table
from pfd.errors import SettingError
from pfd.report.data import SUMMARY_FILE, read_object
from pfd.report.page import write_report
from pfd.report.server import PORT, ReportServer
from pfd.wording import shell_word

PAGE_BEGINS = 10_000
"""Bytes within which a page of ours says what made it."""


def report_run(run: Path, *, serve: bool, port: int | None, out: Path | None = None, as_json: bool = False) -> None:
    """Write the page and show where the run stands, or serve the page.

    Args:
        run: the run folder.
        serve: serve the page, and write nothing.
        port: where.
        out: file for the page, if not the one in the run folder.
        as_json: print where the page is, the run's status and the models of ``summary.json``, as JSON.

    Raises:
        RunError: if there is no run, or a file of it is damaged.
        SettingError: if the port cannot be had, nothing is served that could have one, or ``out`` cannot be written.
        typer.Exit: with code 1, if the run folder cannot be written to; the table has been printed.
    """
    if serve and out is not None:
        raise SettingError("nothing is written while the page is served", where="--out", hint="leave out one of them")
    if serve and as_json:
        raise SettingError("a page is served, and nothing else", where="--json", hint="leave out one of them")
    if serve:
        _serve(run, PORT if port is None else port)
    elif port is not None:
        raise SettingError("no page is served that could have a port", where="--port", hint="add --serve")
    else:
        _write_and_show(run, out, as_json)


def _write_and_show(run: Path, out: Path | None, as_json: bool) -> None:
    if out is not None:
        require_writable(out, [], "--out", "report.html")
        if out.is_file() and b'content="PFD-kit"' not in out.read_bytes()[:PAGE_BEGINS]:
            require_new(out, "--out", "it is no page of a run: name another file")
    refused = ""
    try:
        page = write_report(run, out)
    except OSError as error:
        refused = error.strerror or str(error)
    if as_json:
        models = read_object(run / SUMMARY_FILE).get("models", {})
        told = {"report": None if refused else str(page), "status": status_of(run)["status"], "models": models}
        print(json.dumps(told, indent=1))
    else:
        _show(run)
    if not refused:
        if not as_json:
            print(f"report: {page}")
        return
    what = f"the page was not written to {run if out is None else out}: {refused}"
    print(f"{what}\n  Try: pfd report {shell_word(run)} --out report.html, in a folder of yours", file=sys.stderr)
    raise typer.Exit(1)


def _show(run: Path) -> None:
    """The table of results; before the end, where the run stands."""
    if not print_table(run):
        print("no model has been compared on the fixed test set yet")
    if status_of(run)["status"] not in ENDED:
        show_status(run, as_json=False)


def _serve(run: Path, port: int) -> None:
    """Serve the page until Ctrl-C; nothing is written."""
    try:
        with ReportServer(run, port) as server:
            print(f"{server.address}  (to this machine only; Ctrl-C ends it)", flush=True)
            server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        print()
