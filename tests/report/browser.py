"""A headless chromium that tests can drive, by its DevTools protocol: open a page, ask it, use the mouse."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import websocket

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
PATIENCE_S = 60.0


class BrowserError(Exception):
    """The browser refused a command, as it does while it loads a page."""


class Browser:
    """One chromium with a profile of its own."""

    def __init__(self, profile: Path) -> None:
        self._process = subprocess.Popen(
            [shutil.which("chromium"), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port_file, end = profile / "DevToolsActivePort", time.monotonic() + PATIENCE_S
        while not (port_file.is_file() and port_file.read_text().count("\n")):
            assert self._process.poll() is None, "chromium ended at once"
            assert time.monotonic() < end, "chromium does not answer"
            time.sleep(0.05)
        self._port = int(port_file.read_text().splitlines()[0])

    def open(self, url: str, width: int = 1150, height: int = 900, dark: bool = False) -> Page:
        """A new page, loaded."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            target = json.load(answer)
        return Page(target["webSocketDebuggerUrl"], url, width, height, dark)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class Page:
    """One tab; ``problems`` holds what its console said of errors and what the browser refused to load."""

    def __init__(self, address: str, url: str, width: int, height: int, dark: bool) -> None:
        self._socket = websocket.create_connection(address, timeout=PATIENCE_S)
        self._numbers = itertools.count(1)
        self.problems: list[str] = []
        self._loaded = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self.wait(lambda: self._loaded)

    def call(self, method: str, **parameters):
        """Send a command and return its answer; events on the way are noted."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserError(message["error"])
                return message["result"]
            self._note(message)

    def _note(self, message) -> None:
        method, content = message["method"], message["params"]
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.problems.append(
                content["exceptionDetails"].get("exception", content["exceptionDetails"])["description"]
            )
        elif method == "Runtime.consoleAPICalled" and content["type"] in {"error", "assert"}:
            self.problems.append(str([each.get("value", each.get("description")) for each in content["args"]]))
        elif method == "Log.entryAdded" and content["entry"]["level"] == "error":
            self.problems.append(content["entry"]["text"])
        elif method == "Network.loadingFailed" and not content.get("canceled"):
            self.problems.append(f"not loaded: {content['errorText']}")

    def js(self, expression: str):
        """The value of an expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition) -> None:
        """Until a condition holds."""
        end = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(BrowserError):  # a page that is being loaded again answers nothing
                if condition():
                    return
                self.call("Browser.getVersion")  # events come with answers
            assert time.monotonic() < end, f"waited for nothing; {self.problems}"
            time.sleep(0.02)

    def mouse(self, kind: str, x: float, y: float, pressed: bool = False) -> None:
        """``mouseMoved``, ``mousePressed`` or ``mouseReleased`` at a place of the window."""
        button = "left" if pressed or kind != "mouseMoved" else "none"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=int(pressed), clickCount=1)

    def picture(self, path: Path, whole: bool = True) -> Path:
        """A screenshot, of the whole page or of the window."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def pdf(self) -> bytes:
        """What a printer would get."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        self.call("Page.close")
        self._socket.close()
