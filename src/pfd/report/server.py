"""Serve the page of a run to a browser of this machine: two paths, read only, under no name but this machine's own."""

from __future__ import annotations

import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from pfd.errors import PFDError, SettingError
from pfd.report.live import LivePage

ADDRESS = "127.0.0.1"
PORT = 8765
NAMES = {"127.0.0.1", "localhost"}
"""Under which the server may be asked for: a page of another site that has its own name point here is refused (DNS
rebinding). The port is free: behind ``ssh -L`` it is another one."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class ReportServer(socketserver.ThreadingTCPServer):
    """Answers ``/`` with the page and ``/status.json`` with the state of a run, on 127.0.0.1 only.

    Args:
        run: the run folder; nothing is written into it.
        port: where to listen; 0 takes a free one.

    Raises:
        RunError: if there is no run.
        SettingError: if the port cannot be had.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, run: Path, port: int = PORT) -> None:
        self._live = LivePage(run)
        self._lock = threading.Lock()
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            what = f"cannot listen on {ADDRESS}:{port} ({error})"
            raise SettingError(what, where="--port", hint="give another port, or 0 for a free one") from error

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{ADDRESS}:{self.server_address[1]}/"

    def answer(self, path: str) -> tuple[HTTPStatus, str, str]:
        """Status, content type and content for a path."""
        try:
            with self._lock:
                if path == "/":
                    return HTTPStatus.OK, "text/html; charset=utf-8", self._live.page()
                if path == "/status.json":
                    return HTTPStatus.OK, "application/json", self._live.state().as_json()
        except PFDError as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", f"{error}\n"
        return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", "There is / and /status.json.\n"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle of an answer is no error."""


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; any other method is refused."""

    server: ReportServer
    server_version = "pfd"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer with content."""
        self._respond(with_content=True)

    def do_HEAD(self) -> None:
        """Answer without content."""
        self._respond(with_content=False)

    def _respond(self, *, with_content: bool) -> None:
        if not _is_ours(self.headers.get_all("Host", [])):
            status, kind, text = HTTPStatus.MISDIRECTED_REQUEST, "text/plain; charset=utf-8", "Ask for 127.0.0.1.\n"
        else:
            status, kind, text = self.server.answer(self.path)
        content = text.encode("utf-8")
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Other methods, and what is no HTTP: 501 becomes 405 with what is allowed."""
        refused = code == HTTPStatus.NOT_IMPLEMENTED
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED if refused else code)
        if refused:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Connection", "close")
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is http.server's
        """Nothing is printed for a request."""


def _is_ours(hosts: list[str]) -> bool:
    """Whether a request names this machine, once, as its host."""
    if len(hosts) != 1 or "@" in hosts[0]:
        return False
    try:
        return urlsplit(f"//{hosts[0]}").hostname in NAMES
    except ValueError:
        return False
