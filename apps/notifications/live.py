"""The live server: one's own notifications as server-sent events, the moment they are committed.

A plain ASGI application in a process of its own (``manage.py live``): a stream would hold one of the few threads of a web worker for
minutes. One connection LISTENs for everybody; what it hears are ids, and each stream reads its own rows as its own person. Nothing is
kept for who is not there: a reader comes back with the last id it has seen, and gets what it missed, some of it perhaps twice.
"""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import psycopg
from django.conf import settings
from django.utils import timezone
from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout

from apps.core.api.json import dumps
from apps.notifications.live_rows import PAGE, Row, Rows, connection_parameters
from apps.notifications.services.telling import LIVE_CHANNEL
from apps.notifications.tickets import Ticket, read_ticket

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MOST_STREAMS, MOST_PER_USER = 1_000, 5
HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 60.0
"""How often everybody is looked up: a stream of somebody who was deactivated ends by then."""
SEND_SECONDS = 60.0
"""A reader that takes nothing for so long is gone."""
MOST_WAITING = 500
"""News that a stream keeps in mind while its reader is slow; beyond, it forgets them and reads on from the last it has sent."""
REMEMBERED = 3 * PAGE
LAST = 2**63 - 1
MOST_MISSED = 10 * PAGE
"""Who missed more than this is told to read the list again."""
RETRY_SECONDS = 5
PATHS = ("/live", "/live/")

TROUBLE = (psycopg.Error, PoolTimeout, OSError, TimeoutError)
"""What passes by itself: the database is away, or comes back."""


connect = AsyncConnection.connect


class Stream:
    """One open connection of one person."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.last_id = 0
        self.waiting: set[int] = set()
        self.is_behind = False
        self.end = ""
        self.woken = asyncio.Event()
        self._sent: deque[int] = deque(maxlen=REMEMBERED)

    def hear(self, notification_id: int) -> None:
        """Something was committed for this person."""
        if len(self.waiting) < MOST_WAITING:
            self.waiting.add(notification_id)
        else:
            self.fall_behind()
        self.woken.set()

    def fall_behind(self) -> None:
        """Something may have been missed: read on from the last that was sent."""
        self.waiting.clear()
        self.is_behind = True
        self.woken.set()

    def start_behind(self, last_id: int) -> None:
        """The reader says that it has seen everything up to here."""
        self.last_id = last_id
        self._sent.append(last_id)
        self.fall_behind()

    def finish(self, why: str) -> None:
        self.end = self.end or why
        self.woken.set()

    def fresh(self, rows: Iterable[Row]) -> list[Row]:
        """Those that this stream has not sent; from now on it has."""
        news = [row for row in rows if row["id"] not in self._sent]
        self.remember(news)
        return news

    def remember(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._sent.append(row["id"])
            self.last_id = max(self.last_id, row["id"])


class Refused(Exception):
    """Answered without a stream."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Live:
    """The application, and what its streams share."""

    def __init__(
        self, *, most_streams: int = MOST_STREAMS, most_per_user: int = MOST_PER_USER, check_seconds: float = CHECK_SECONDS
    ) -> None:
        self.most_streams, self.most_per_user, self.check_seconds = most_streams, most_per_user, check_seconds
        self.streams: dict[int, set[Stream]] = {}
        self.listening = asyncio.Event()
        self.is_closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    # -- the life of the process

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def open(self) -> None:
        """Start listening. The database may still be away."""
        parameters = await asyncio.to_thread(connection_parameters)
        self.rows = await asyncio.to_thread(Rows, parameters)
        await self.rows.open()
        self._tasks = [asyncio.create_task(self._listen(parameters)), asyncio.create_task(self._look_up())]

    def end_streams(self) -> None:
        """Send everybody away; their browsers come back to whoever listens then."""
        self.is_closing = True
        for stream in self._every():
            stream.finish("closing")

    async def close(self) -> None:
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.rows.close()

    def _every(self) -> list[Stream]:
        return [stream for streams in self.streams.values() for stream in streams]

    async def _listen(self, parameters: dict[str, Any]) -> None:
        """Hear what is committed, for ever. After every interruption all streams read what they may have missed."""
        pause = 0.1
        while True:
            try:
                async with await connect(**parameters, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {LIVE_CHANNEL}")
                    for stream in self._every():
                        stream.fall_behind()
                    self.listening.set()
                    pause = 0.1
                    await self._hear(connection)
            except TROUBLE as error:
                logger.warning("the live server does not hear the database, and tries again: %s", error)
            self.listening.clear()
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS)

    async def _hear(self, connection: AsyncConnection) -> None:
        while True:
            async for notice in connection.notifies(timeout=HEARTBEAT_SECONDS):
                user_id, _, notification_id = notice.payload.partition(":")
                if user_id.isdigit() and notification_id.isdigit():
                    for stream in self.streams.get(int(user_id), ()):
                        stream.hear(int(notification_id))
            async with asyncio.timeout(RETRY_SECONDS):  # a silent connection may be a dead one
                await connection.execute("SELECT 1")

    async def _look_up(self) -> None:
        """End the streams of people who may not sign in any more."""
        while True:
            await asyncio.sleep(self.check_seconds)
            try:
                users = list(self.streams)
                gone = set(users) - await self.rows.active(users) if users else set()
            except TROUBLE as error:
                logger.warning("nobody could be looked up: %s", error)
                continue
            for user_id in gone:
                for stream in self.streams.get(user_id, ()):
                    stream.finish("inactive")

    # -- one request

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        shared = _shared_headers(given.get("origin", ""))
        try:
            if scope["path"] in ("/healthz", "/readyz"):
                is_ready = scope["path"] == "/healthz" or self.listening.is_set()
                await _reply(send, 200 if is_ready else 503, {"status": "ok" if is_ready else "unready"}, shared)
            elif scope["path"] not in PATHS:
                raise Refused(404, "not_found", "Not found.")
            elif scope["method"] == "OPTIONS":
                await _reply(send, 204, None, [*shared, *PREFLIGHT])
            elif scope["method"] != "GET":
                raise Refused(405, "method_not_allowed", "Only GET.", allow="GET, OPTIONS")
            else:
                await self._open_stream(scope, given, shared, receive, send)
        except Refused as no:
            body = {"error": no.code, "message": no.message, "request_id": uuid.uuid4().hex}
            extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in no.headers.items()]
            await _reply(send, no.status, body, [*shared, *extra])

    async def _open_stream(self, scope: Scope, given: dict[str, str], shared: Headers, receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        ticket = read_ticket(query.get("ticket", [""])[0], at=timezone.now())
        if ticket is None:
            raise Refused(401, "not_authenticated", "This ticket is not valid (any more). Ask for a new one.", www_authenticate="Token")
        last_id = _last_id(given.get("last-event-id") or query.get("last_event_id", [""])[0])
        if self.is_closing or len(self._every()) >= self.most_streams:
            raise Refused(503, "busy", "Too many streams are open here. Try again soon.", retry_after=str(RETRY_SECONDS))
        if len(self.streams.get(ticket.user_id, ())) >= self.most_per_user:
            message = f"You have {self.most_per_user} streams open. Close one of them."
            raise Refused(429, "rate_limited", message, retry_after=str(RETRY_SECONDS))
        stream = Stream(ticket)
        self.streams.setdefault(ticket.user_id, set()).add(stream)  # before anything is read: nothing falls between
        try:
            await self._while_connected(self._write(stream, last_id, shared, send), receive)
        finally:
            of_user = self.streams[ticket.user_id]
            of_user.discard(stream)
            if not of_user:
                del self.streams[ticket.user_id]

    async def _while_connected(self, work: Any, receive: Receive) -> None:
        """Do it until it is done or the reader has gone."""
        working, leaving = asyncio.create_task(work), asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_done = working.done()
            for task in (working, leaving):
                task.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)
        if is_done:
            working.result()

    async def _write(self, stream: Stream, last_id: int | None, shared: Headers, send: Send) -> None:
        await self._find_place(stream, last_id)
        await send({"type": "http.response.start", "status": 200, "headers": [*shared, *STREAM]})
        with suppress(TimeoutError):  # of a reader that takes nothing
            await _put(send, b"retry: 2000\n\n")
            while not stream.end:
                try:
                    await self._go_on(stream, send)
                except (psycopg.Error, PoolTimeout) as error:
                    logger.warning("a stream waits for the database: %s", error)
                    stream.is_behind = True
                    await asyncio.sleep(1)
                    continue
                await self._rest(stream, send)
            await _put(send, b"event: end\ndata: " + dumps({"reason": stream.end}) + b"\n\n", last=True)

    async def _find_place(self, stream: Stream, last_id: int | None) -> None:
        """Where the stream starts: behind the last that the reader has seen, or else behind all that is there now.

        Before the reader is told that the stream is open, so that whatever is committed from then on is news.
        """
        if last_id is not None:
            stream.start_behind(last_id)
            return
        try:
            stream.remember(await self.rows.just_before(stream.ticket, LAST))
        except TROUBLE as error:
            raise Refused(503, "busy", "The database is away. Try again soon.", retry_after=str(RETRY_SECONDS)) from error

    async def _go_on(self, stream: Stream, send: Send) -> None:
        """Send all that is there for the stream by now."""
        if stream.is_behind:
            stream.is_behind = False
            # Among what was written shortly before the last may be rows that were committed after it.
            await self._tell(stream, stream.fresh(await self.rows.just_before(stream.ticket, stream.last_id)), send)
            missed = 0
            while rows := await self.rows.after(stream.ticket, stream.last_id):
                if missed >= MOST_MISSED:
                    stream.remember(await self.rows.just_before(stream.ticket, LAST))
                    await _put(send, b'event: reload\ndata: {"reason":"too_many"}\n\n')
                    break
                missed += len(rows)
                await self._tell(stream, stream.fresh(rows), send)
        if stream.waiting:
            ids, stream.waiting = sorted(stream.waiting), set()
            await self._tell(stream, stream.fresh(await self.rows.named(stream.ticket, ids)), send)

    async def _tell(self, stream: Stream, rows: list[Row], send: Send) -> None:
        if rows:
            await _put(send, b"".join(b"id: %d\nevent: notification\ndata: %s\n\n" % (row["id"], dumps(row)) for row in rows))

    async def _rest(self, stream: Stream, send: Send) -> None:
        """Wait for news; say now and then that we are still here, and end with the ticket."""
        left = (stream.ticket.expires_at - timezone.now()).total_seconds()
        if left <= 0:
            stream.finish("ticket_expired")
            return
        try:
            async with asyncio.timeout(min(left, HEARTBEAT_SECONDS)):
                await stream.woken.wait()
            stream.woken.clear()
        except TimeoutError:
            await _put(send, b": still here\n\n")


STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"last-event-id, cache-control"),
    (b"access-control-max-age", b"86400"),
]


def _shared_headers(origin: str) -> Headers:
    headers: Headers = [(b"vary", b"origin"), (b"referrer-policy", b"no-referrer"), (b"x-content-type-options", b"nosniff")]
    if origin in settings.CORS_ALLOWED_ORIGINS:
        headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
    return headers


def _last_id(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63):
        raise Refused(400, "validation_error", "Last-Event-ID is the id of a notification.")
    return int(text)


async def _reply(send: Send, status: int, body: dict[str, Any] | None, headers: Headers) -> None:
    content = b"" if body is None else dumps(body)
    kind: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")] if body is not None else []
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *kind]})
    await send({"type": "http.response.body", "body": content, "more_body": False})


async def _put(send: Send, text: bytes, *, last: bool = False) -> None:
    """Raises TimeoutError when the reader takes nothing. ``send`` waits for it, so a slow one holds up no other and fills no memory."""
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": text, "more_body": not last})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
