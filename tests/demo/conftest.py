"""The demo as its reader has it: started by the command line in a folder of its own, spoken to over HTTP."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config import postgres

PROJECT = Path(postgres.__file__).resolve().parents[1]
# A demo makes its own choices; what the test run was started with would make others.
NOT_INHERITED = ("DJANGO_SETTINGS_MODULE", "DATA_DIR", "DATABASE_URL", "RESET", "HOST")


def eventually(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Demo:
    """``manage.py demo`` on one folder and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "demo.log"
        self.process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        return {**kept, "DEMO_DIR": str(self.folder), "PORT": str(self.port)}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command beside the demo, to its end."""
        merged = {**self.environment, **environment}
        return subprocess.run(command, cwd=PROJECT, env=merged, capture_output=True, text=True, timeout=300)

    def start(self) -> float:
        """Start and wait for credentials.json; returns the seconds it took. The file of a killed demo does not count."""
        began, stale = time.monotonic(), self._written()
        with self.log.open("wb") as log:
            command = [sys.executable, "manage.py", "demo"]
            self.process = subprocess.Popen(command, cwd=PROJECT, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        eventually(lambda: self._written() not in (0, stale) or self.process.poll() is not None, 400)
        assert self._written() not in (0, stale), self.log.read_text()
        return time.monotonic() - began

    def _written(self) -> int:
        """When credentials.json was written, 0 without one."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def end(self, number: int) -> int:
        """Send a signal to the demo alone; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    @property
    def path(self) -> Path:
        return self.folder / "credentials.json"

    @property
    def credentials(self) -> dict[str, Any]:
        return json.loads(self.path.read_text(encoding="utf-8"))

    def living(self) -> list[str]:
        """The command lines of all processes that this demo started and that are still there."""
        mark = f"DEMO_DIR={self.folder}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if command and (mark in (place / "environ").read_bytes().split(b"\0") or f"-D {self.folder}/" in command):
                    found.append(command)
            except OSError:
                continue  # gone, or somebody else's
        return found

    def request(self, method: str, path: str, token: str = "", body: Any = None, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Token {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  our own server
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def get(self, path: str, token: str = "") -> Any:
        status, body = self.request("GET", path, token)
        assert status == 200, body
        return body

    def every(self, path: str, token: str) -> list[dict[str, Any]]:
        """All rows of a list, page after page."""
        rows, base = [], f"http://127.0.0.1:{self.port}"
        while path:
            page = self.get(path.removeprefix(base), token)
            rows, path = rows + page["results"], page["next"] or ""
        return rows


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """A served demo; its test leaves it served, too."""
    folder = Path(tempfile.mkdtemp(prefix="demo-")).resolve()
    folder.chmod(0o755)  # the account that runs PostgreSQL for root enters it
    one = Demo(folder)
    try:
        one.start()
        yield one
    finally:
        if one.process and one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
            one.process.wait(30)
        postgres.Cluster(folder).stop(destroy=True)
        shutil.rmtree(folder, ignore_errors=True)
