from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from apps.core.checks import refuse_unbound_role
from apps.core.management.lifeline import add_lifeline, hold_lifeline

GRACE_SECONDS = 8  # container runtimes kill after 10


class Command(BaseCommand):
    help = "Works off background jobs until SIGINT or SIGTERM; running jobs get a few seconds to finish (WORKER_CONCURRENCY)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", default="", help="Only these, separated by commas; default: all.")
        parser.add_argument("--concurrency", type=int, default=settings.WORKER_CONCURRENCY, help="Jobs at the same time.")
        add_lifeline(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unbound_role()
        hold_lifeline(options["lifeline"])
        limits = [f"--concurrency={options['concurrency']}", f"--shutdown-graceful-timeout={GRACE_SECONDS}"]
        call_command("procrastinate", "worker", *limits, *([f"--queues={options['queues']}"] if options["queues"] else []))
