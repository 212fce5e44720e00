import errno
import socket
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from apps.core.management.lifeline import add_lifeline, hold_lifeline

BLOCKING_THREADS = 2  # more wait for each other's turn at the interpreter; with one, a slow request holds half of the server
BACKPRESSURE = 64  # connections a process takes before the kernel queues them


class Command(BaseCommand):
    help = "Serves API and admin until SIGINT or SIGTERM (HOST, PORT, WEB_WORKERS). Migrates nothing; terminate TLS in front of it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.WEB_HOST)
        parser.add_argument("--port", type=int, default=settings.WEB_PORT)
        parser.add_argument("--workers", type=int, default=settings.WEB_WORKERS, help="Processes.")
        parser.add_argument("--quiet", action="store_true", help="Warnings and errors only.")
        add_lifeline(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_busy_port(options["host"], options["port"])
        hold_lifeline(options["lifeline"])
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # empty where files come from the apps; whitenoise warns without it
        Granian(
            "config.wsgi:application",
            address=options["host"],
            port=options["port"],
            interface=Interfaces.WSGI,
            workers=options["workers"],
            blocking_threads=BLOCKING_THREADS,
            backpressure=BACKPRESSURE,
            respawn_failed_workers=True,
            workers_kill_timeout=8,  # container runtimes kill after 10 s
            websockets=False,
            log_access=False,
            log_level=LogLevels.warning if options["quiet"] else LogLevels.info,
        ).serve()


def refuse_busy_port(host: str, port: int) -> None:
    """Raises CommandError when somebody listens there. The server itself would share the port without a word (SO_REUSEPORT)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last server's closing connections are no hindrance
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"Port {port} on {host} is in use. Stop what listens there, or choose another: PORT={port + 1}"
                ) from error
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
