import contextlib
import fcntl
import os
import shutil
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Role
from apps.checkout.demo.businesses import BUSINESSES
from apps.checkout.demo.credentials import CredentialsFile, credentials
from apps.checkout.demo.loading import empty_database, is_loaded, load, refuse_foreign_database
from apps.checkout.demo.processes import Children, exit_on_signals, free_port
from apps.checkout.demo.providers import fake_providers
from apps.core.management.commands.serve import refuse_busy_port

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Two businesses, API, admin, worker and live notifications, until SIGINT or SIGTERM (PORT, DEMO_DIR, RESET=1, DATABASE_URL)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="Only load the data and write credentials.json.")
        parser.add_argument("--reset", action="store_true", default=settings.DEMO_RESET, help="Start over, like RESET=1.")
        parser.add_argument("--port", type=int, default=settings.WEB_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        exit_on_signals()
        self.began = time.monotonic()
        self.folder = Path(settings.DATA_DIR)
        self.file = CredentialsFile(self.folder)
        base_url = f"http://{HOST}:{options['port']}"
        with only_demo_in(self.folder):
            if not options["no_serve"]:
                refuse_busy_port(HOST, options["port"])
            self.file.lay_aside()
            self.prepare(reset=options["reset"])
            content = credentials(base_url, self.file.last())
            if options["no_serve"]:
                self.file.write(content)
                self.say(f"Loaded: {self.file.path}")
            else:
                self.serve(options["port"], content)

    def prepare(self, *, reset: bool) -> None:
        """The database as it should be."""
        refuse_foreign_database()
        if reset:
            self.say("Starting over …")
            empty_database()
            self.file.forget()
            for name in ("mail", "media", "documents"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            for name in ("stripe.json", "paypal.json"):
                (self.folder / name).unlink(missing_ok=True)
        self.say("Migrating …")
        call_command("migrate", verbosity=0, interactive=False)
        if is_loaded():
            self.say("Keeping the data of the last run; RESET=1 starts over.")
        else:
            self.say("Loading two businesses …")
            load(self.say)

    def serve(self, port: int, content: dict[str, Any]) -> None:
        """Run server, worker and live server until somebody ends us or one of them ends."""
        try:
            live_port = free_port(settings.LIVE_PORT + port - settings.WEB_PORT, HOST)
            content["live_url"] = f"http://{HOST}:{live_port}/live/"
            with (
                fake_providers(self.folder, content["base_url"]) as providers,
                Children(settings.BASE_DIR / "manage.py", {**providers, "LIVE_URL": content["live_url"]}) as children,
            ):
                self.say("Starting server, worker and live server …")
                children.start("serve", f"--host={HOST}", f"--port={port}", "--quiet")
                children.start("live", f"--host={HOST}", f"--port={live_port}", "--quiet")
                children.wait_until_ready(f"{content['base_url']}/readyz")
                children.wait_until_ready(f"http://{HOST}:{live_port}/readyz")
                children.start("worker")  # nobody waits for it; now the servers have started the faster
                content["providers"] = {"stripe": providers["STRIPE_API_BASE"], "paypal": providers["PAYPAL_API_BASE"]}
                self.file.write(content)
                self.invite(content)
                children.watch()
        finally:
            self.file.lay_aside()

    def invite(self, content: dict[str, Any]) -> None:
        """What to click and what to curl."""
        url, admin, (first, second) = content["base_url"], content["admin"], content["accounts"]
        owners = ", ".join(plan.staff_emails()[Role.OWNER] for plan in BUSINESSES)
        self.say(f"""Ready.

  The API and its pages     {url}/api/docs/
  Admin                     {admin["url"]}   {admin["email"]}   {admin["password"]}
  Other logins              {owners} …, all with that password
  Tokens and logins         {self.file.path}
  Mail that was sent        {settings.EMAIL_FILE_PATH}

  {first["name"]}: what is in the calendar
    curl -H "Authorization: Token {first["tokens"]["owner"]}" "{url}/api/bookings/?status=confirmed&page_size=3"
  {second["name"]}: its packages
    curl -H "Authorization: Token {second["tokens"]["owner"]}" {url}/api/packages/
  A first sale from sign-up to payment
    python3 examples/first_sale.py {self.file.path}
  A class, its waitlist, a series, moves, cancellations, a no-show, a review
    python3 examples/a_week_in_the_studio.py {self.file.path}
  Cards, PayPal, credit, gift codes, refunds, invoices; Stripe and PayPal are played by servers of the demo's own
    python3 examples/paying_online.py {self.file.path}

Ctrl-C stops everything.""")

    def say(self, text: str) -> None:
        self.stdout.write(f"[{time.monotonic() - self.began:4.1f} s] {text}" if not text.startswith(" ") else text)
        self.stdout.flush()


@contextlib.contextmanager
def only_demo_in(folder: Path) -> Iterator[None]:
    """One demo per folder. The lock ends with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CommandError(f"A demo is running in {folder}. Stop it, or choose another folder: DEMO_DIR=.demo-2 PORT=8001") from error
    else:
        yield
    finally:
        os.close(handle)
