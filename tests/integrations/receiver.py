"""Somebody else's server: a real address that takes webhooks, remembers them byte by byte, and answers what the test says."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import time_machine

from apps.core.db import rows
from apps.core.events import emit
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.integrations import tasks
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.services.deliveries import tell_endpoints
from apps.integrations.services.endpoints import create_endpoint
from apps.integrations.services.sending import attempt_delivery, send_due


@dataclass(frozen=True)
class Hook:
    """A webhook as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: str


class Receiver:
    """``with Receiver() as receiver:`` listens on a free local port; ``hooks`` is what came.

    ``statuses`` are answered first, one each, then ``status``; ``during`` runs before the answer, ``says`` is its body.
    """

    def __init__(self, *statuses: int, status: int = 200) -> None:
        self.statuses, self.status = list(statuses), status
        self.hooks: list[Hook] = []
        self.says = b"the receiver's own words"
        self.during: Callable[[], Any] = lambda: None
        self.lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                with receiver.lock:
                    receiver.hooks.append(Hook(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                    status = receiver.statuses.pop(0) if receiver.statuses else receiver.status
                receiver.during()
                self.send_response(status)
                self.send_header("Location", receiver.url + "/elsewhere")
                self.send_header("Content-Length", str(len(receiver.says)))
                self.end_headers()
                self.wfile.write(receiver.says)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Nobody reads the answer's body."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Integration:
    """An account, one endpoint of it at ``receiver``, and what happens there."""

    account: Any
    receiver: Receiver
    endpoint: WebhookEndpoint = field(init=False)
    secret: str = field(init=False)

    def __post_init__(self) -> None:
        self.endpoint, self.secret = self.add()

    def add(self, url: str = "", **options: Any) -> tuple[WebhookEndpoint, str]:
        """Another endpoint, and its secret."""
        with account_scope(self.account):
            return create_endpoint(url=url or self.receiver.url, **options)

    def happens(self, name: str = "test.happened", **options: Any) -> Event:
        """An event, written down for the endpoints as its handler does."""
        event = self.emitted(name, **options)
        with account_scope(self.account):
            tell_endpoints(event)
        return event

    def emitted(self, name: str = "test.happened", **options: Any) -> Event:
        """An event whose handlers have not run."""
        with account_scope(self.account):
            return emit(name, self.account, account_id=self.account.pk, **options)

    def read(self) -> WebhookEndpoint:
        """The endpoint as it is now."""
        with account_scope(self.account):
            return WebhookEndpoint.objects.get(pk=self.endpoint.pk)

    def deliveries(self, *columns: str, **options: Any) -> list[Any]:
        """What the table holds, oldest first: rows, or these columns of them."""
        with account_scope(self.account):
            found = WebhookDelivery.objects.filter(**options).order_by("pk")
            return list(found.values_list(*columns, flat=len(columns) == 1) if columns else found)

    def types(self) -> list[str]:
        """The account's log."""
        with account_scope(self.account):
            return list(Event.objects.order_by("pk").values_list("type", flat=True))


NOW = datetime(2027, 3, 6, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STATE = ("state", "attempts", "last_status", "last_error")


def attempt(integration, *, at=None, endpoint=None):
    """One call, as the job makes it."""
    return attempt_delivery(integration.account.pk, (endpoint or integration.endpoint).pk, at=at)


def work():
    """The jobs that are queued, without the minute's sweep that a worker would begin with."""
    taken = "DELETE FROM procrastinate_jobs WHERE task_name = 'webhooks.send_due' AND status = 'todo' RETURNING id, args"
    while found := sorted(rows(taken)):
        for _, arguments in found:
            send_due(**json.loads(arguments) if isinstance(arguments, str) else arguments)


def look(at):
    """A minute's sweep and the jobs it leaves; returns how many."""
    with time_machine.travel(at, tick=True):
        found = tasks.look_around(timestamp=0)
        work()
    return found
