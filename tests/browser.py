"""Headless Chromium for tests, driven over the DevTools protocol through two pipes.

With `--remote-debugging-pipe`, Chromium reads messages from file descriptor 3 and writes them to 4;
each is JSON and ends with a zero byte (content/browser/devtools/devtools_pipe_handler.cc). Commands
and events are those of https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import fcntl
import io
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from PIL import Image

from tests.limits import PATIENCE_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ABSENT = "chromium is not installed"

_KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    " ": (32, " "),
    "ArrowDown": (40, ""),
    "Escape": (27, ""),
}
CONTROL, SHIFT = 2, 8


class Browser:
    """A browser with one page.

    `errors` holds what the page and the browser complained about since the last `open`, and
    `requests` the addresses that the page asked for.
    """

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._last, self._unread = 0, b""
        child_reads, self._write = _make_pipe()
        self._read, child_writes = _make_pipe()

        def connect() -> None:
            os.dup2(child_reads, 3)
            os.dup2(child_writes, 4)

        command = [CHROMIUM, "--headless=new", "--remote-debugging-pipe", "--no-sandbox"]
        command += ["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"]
        command += [
            "--hide-scrollbars",
            "--disable-lcd-text",
            "--disable-background-networking",
            "--disable-extensions",
        ]
        # No name is resolved, so the page can only reach the server of the test.
        command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        command += [f"--user-data-dir={folder}", "about:blank"]
        with (folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=False,  # else 3 and 4 would be closed
                preexec_fn=connect,
                start_new_session=True,
            )
        os.close(child_reads)
        os.close(child_writes)
        self._session = ""
        targets = self.send("Target.getTargets")["targetInfos"]
        (page,) = (each["targetId"] for each in targets if each["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        """Ends the browser with all its processes."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends one command and returns its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            got = self._receive()
            if got.get("id") == self._last:
                assert "error" not in got, f"{method}: {got['error']}"
                result: dict[str, Any] = got["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        """Returns the next message, and keeps what an event complains about."""
        while b"\0" not in self._unread:
            assert select.select([self._read], [], [], PATIENCE_SECONDS)[0], "the browser is silent"
            content = os.read(self._read, 1 << 20)
            assert content, "the browser has ended"
            self._unread += content
        line, _, self._unread = self._unread.partition(b"\0")
        got: dict[str, Any] = json.loads(line)
        method, params = got.get("method"), got.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        if method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        return got

    def open(self, url: str, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Opens a page in a window of a given size, and waits until it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url="about:blank")
        self.errors.clear()
        self.requests.clear()
        self.send("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState=='complete'")

    def evaluate(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression on the page; it waits for a promise."""
        done = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Waits until a JavaScript expression is true on the page."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < until, f"never true: {condition}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """Returns the text of the first element of a selector, as a person sees it."""
        found: str = self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def press(self, key: str, modifiers: int = 0) -> None:
        """Presses a key, as a keyboard does."""
        code, text = _KEYS[key]
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.send("Input.dispatchKeyEvent", **about, **down)
        self.send("Input.dispatchKeyEvent", **about, type="keyUp")

    def type(self, text: str) -> None:
        """Writes a text into the element that has the focus."""
        self.send("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Chooses a file in an input, as the dialog of the browser does."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def take_picture(self, path: Path) -> None:
        """Writes a PNG picture of the whole page, with what is below the window, in 64 colours."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        done = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        with Image.open(io.BytesIO(base64.b64decode(done["data"]))) as picture:
            picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def _make_pipe() -> tuple[int, int]:
    """Returns both ends of a pipe, with numbers that `Browser` does not give to Chromium."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
