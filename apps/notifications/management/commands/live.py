import asyncio
import atexit
import os
import signal
import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from apps.core.checks import refuse_unbound_role
from apps.core.management.commands.serve import refuse_busy_port
from apps.core.management.lifeline import add_lifeline, hold_lifeline
from config.live import application

SPARE = 100  # connections beside the streams: refusals, preflights, probes


class Command(BaseCommand):
    help = "Sends notifications to open browsers (server-sent events) until SIGINT or SIGTERM (HOST, LIVE_PORT, LIVE_URL)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.WEB_HOST)
        parser.add_argument("--port", type=int, default=settings.LIVE_PORT)
        parser.add_argument("--quiet", action="store_true", help="Warnings and errors only.")
        add_lifeline(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unbound_role()
        refuse_busy_port(options["host"], options["port"])
        asyncio.run(serve(**{name: options[name] for name in ("host", "port", "quiet", "lifeline")}))
        leave()


def leave() -> NoReturn:
    """End this process at once, after what is registered for its end: threads of granian's that are still on their way out may abort an
    interpreter that takes itself apart (exit code -6, seen once in some hundred ends under load).
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def serve(*, host: str, port: int, quiet: bool, lifeline: int | None) -> None:
    """Serve in this process and loop, so that a signal ends the streams before the server waits for them."""
    server = Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        backpressure=application.most_streams + SPARE,
        websockets=False,
        log_access=False,
        log_level=LogLevels.error if quiet else LogLevels.info,
    )

    def stop() -> None:
        application.end_streams()
        server.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    hold_lifeline(lifeline)
    await server.serve()
