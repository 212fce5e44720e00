"""A child process that does not outlive its parent, on every POSIX system and whatever kills the parent.

The parent keeps the writing end of a pipe open and writes nothing; the end of the parent, kill -9 included, is end of file.
"""

import os
import signal
import threading
from argparse import ArgumentParser


def add_lifeline(parser: ArgumentParser) -> None:
    """The option through which ``manage.py demo`` hands its children the reading end."""
    parser.add_argument("--lifeline", type=int, metavar="FD", help="Stop when this pipe closes (used by manage.py demo).")


def hold_lifeline(descriptor: int | None) -> None:
    """From now on the closing of the pipe ends this process like SIGTERM does."""
    if descriptor is not None:
        threading.Thread(target=_wait, args=[descriptor], name="lifeline", daemon=True).start()


def _wait(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
