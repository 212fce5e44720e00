"""The demo's child processes: started together, ended together, and never left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType

from django.core.management.base import CommandError

START_SECONDS, STOP_SECONDS = 60, 12
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_on_signals() -> None:
    """SIGINT, SIGTERM and a closed terminal end the demo with code 0, through every ``finally`` and exit handler."""

    def leave(number: int, frame: FrameType | None) -> None:
        for ending in ENDING:
            signal.signal(ending, signal.SIG_IGN)  # what is under way now is the end
        sys.exit(0)

    for ending in ENDING:
        signal.signal(ending, leave)


def free_port(preferred: int, host: str) -> int:
    """This port, or another one when somebody listens there."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError, OverflowError), socket.create_server((host, port)) as found:
            return found.getsockname()[1]
    raise CommandError(f"No port is free on {host}.")


class Children:
    """Commands of manage.py in process groups of their own: Ctrl-C reaches only us, and we end them in order.

    All hold the reading end of one pipe (``--lifeline``); when we are killed it closes and they end by themselves.
    """

    def __init__(self, manage: Path, environment: Mapping[str, str]) -> None:
        self.manage = manage
        self.environment = {**os.environ, **environment}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Children":
        self.reading, self.writing = os.pipe()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self.running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in the group
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(self.reading)
        os.close(self.writing)

    def start(self, command: str, *arguments: str) -> None:
        """Start ``manage.py <command>``."""
        self.running[command] = subprocess.Popen(  # noqa: S603  our own commands
            [sys.executable, str(self.manage), command, f"--lifeline={self.reading}", *arguments],
            stdin=subprocess.DEVNULL,
            env=self.environment,
            pass_fds=[self.reading],
            process_group=0,
        )

    def check(self) -> None:
        """Raises CommandError when one of them has ended."""
        for command, process in self.running.items():
            if process.poll() is not None:
                raise CommandError(f"manage.py {command} ended with code {process.returncode}; the demo stops.")

    def wait_until_ready(self, url: str) -> None:
        """Return once ``url`` answers 200. Raises CommandError when a child ends or nothing answers within a minute."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own address
                return
            time.sleep(0.1)
        raise CommandError(f"{url} did not answer within {START_SECONDS} s.")

    def watch(self) -> None:
        """Stay until one of them ends. Raises CommandError."""
        while True:
            self.check()
            time.sleep(0.25)
