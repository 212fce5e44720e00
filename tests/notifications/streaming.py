"""The live server in a thread of the test, and browsers that listen to it over real HTTP."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.db import transaction
from django.utils import timezone
from granian.constants import Interfaces
from granian.server.embed import Server

from apps.accounts.models import Account
from apps.core.tenancy import account_scope
from apps.notifications.catalogue import Message
from apps.notifications.live import Live
from apps.notifications.models import Kind
from apps.notifications.recipients import member_reader
from apps.notifications.services.telling import tell
from apps.notifications.tickets import issue_ticket
from apps.users.models import User

WORDS = Message(Kind.ORDER_PLACED, "Title %(number)s", "Text %(number)s")


def say(account: Account, user: User, number: object = 1) -> int:
    """Tell somebody something inside the product; returns the notification's id."""
    with account_scope(account), transaction.atomic():
        told = tell(
            account,
            key=f"test:{number}",
            message=WORDS,
            recipients=[member_reader(user, account)],
            facts={"number": str(number)},
            channels=["in_app"],
        )
    return told.notifications[0]


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Running:
    """A served application."""

    def __init__(self, live: Live, port: int) -> None:
        self.live, self.port = live, port

    def url(self, ticket: str, **query: object) -> str:
        more = "".join(f"&{name}={value}" for name, value in query.items())
        return f"http://127.0.0.1:{self.port}/live/?ticket={ticket}{more}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.request(options.pop("method", "GET"), f"http://127.0.0.1:{self.port}{path}", **options)

    def streams(self) -> int:
        return sum(len(streams) for streams in self.live.streams.values())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def serving(**options: Any) -> Iterator[Running]:
    """The application behind granian, as ``manage.py live`` runs it."""
    live, port = Live(**options), free_port()
    server = Server(live, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    ready = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        serving = asyncio.create_task(server.serve())
        await live.listening.wait()
        ready.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    running = Running(live, port)
    assert eventually(lambda: is_ready(running))
    try:
        yield running
    finally:

        def stop() -> None:
            live.end_streams()
            server.stop()

        loops[0].call_soon_threadsafe(stop)
        thread.join(10)
        assert not thread.is_alive()


def is_ready(running: Running) -> bool:
    """Whether it hears the database."""
    try:
        return running.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def ticket_of(user: User, *accounts: Account, at: datetime | None = None) -> str:
    url, _ = issue_ticket(user.pk, account_ids=[one.pk for one in accounts], at=at or timezone.now())
    return url.partition("ticket=")[2]


class Browser:
    """An EventSource: a thread that reads, and what it has read so far: (event, id, data, when)."""

    def __init__(self, url: str, **headers: str) -> None:
        self.events: list[tuple[str, int | None, Any, float]] = []
        self.ended = threading.Event()
        self.opened = threading.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        self._connection.connect()
        self._socket: socket.socket = self._connection.sock
        self._thread = threading.Thread(target=self._read, args=[f"{parts.path}?{parts.query}", headers], daemon=True)
        self._thread.start()

    def _read(self, path: str, headers: dict[str, str]) -> None:
        try:
            self._connection.request("GET", path, headers=headers)
            response = self._connection.getresponse()
            self.status, self.headers = response.status, {name.lower(): value for name, value in response.getheaders()}
            self._events(response)
        except (OSError, http.client.HTTPException):
            pass  # we have closed it ourselves
        finally:
            self.opened.set()
            self.ended.set()

    def _events(self, response: http.client.HTTPResponse) -> None:
        kind, number, data = "", None, None
        while line := response.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            match name:
                case "retry":
                    self.opened.set()
                case "event":
                    kind = value
                case "id":
                    number = int(value)
                case "data":
                    data = json.loads(value)
                case "" if kind:
                    self.events.append((kind, number, data, time.monotonic()))
                    kind, number, data = "", None, None

    @property
    def ids(self) -> list[int | None]:
        return [number for kind, number, *_ in self.events if kind == "notification"]

    def has(self, *ids: int) -> bool:
        return set(ids) <= set(self.ids)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._connection.close()


@contextmanager
def listening(running: Running, ticket: str, *, headers: dict[str, str] | None = None, **query: object) -> Iterator[Browser]:
    """A browser whose stream is open."""
    before = running.streams()
    browser = Browser(running.url(ticket, **query), **(headers or {}))
    assert browser.opened.wait(10)
    if browser.status == 200:
        assert eventually(lambda: running.streams() > before or browser.ended.is_set())
    try:
        yield browser
    finally:
        browser.close()
        assert eventually(lambda: running.streams() <= before)
