"""What the fake providers have in common: a real HTTP server with threads, faults on request, and webhooks that are sent until accepted.

A fake keeps its word like the provider it stands for; the addresses under ``/_fake/`` are what a test or a demo does to it.
"""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from fnmatch import fnmatch
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.deliveries import Deliveries

KINDS = ("hang", "reset_after", "error_after", "garbage", "drip", "error_before", "reset_before", "page")
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*", "Access-Control-Allow-Methods": "*"}


KEPT_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Call:
    """A request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object, empty when there is none."""
        return json.loads(self.body or b"{}")


@dataclass
class Reply:
    """An answer; ``headers`` besides the usual ones."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Any, status: int = 200, **headers: str) -> "Reply":
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


class Refusal(Exception):
    """The provider says no, with this answer."""

    def __init__(self, status: int, content: Any) -> None:
        super().__init__(status)
        self.reply = Reply.of(content, status)


@dataclass
class Fault:
    """What goes wrong on calls to ``path`` (a pattern) the next ``times`` times.

    ``hang``, ``reset_after``, ``error_after``, ``garbage`` and ``drip`` do the work first and then spoil the answer; ``error_before``
    and ``reset_before`` do nothing at all, and with ``page`` something in between answers with ``body``.
    """

    path: str
    kind: str
    times: int = 1
    seconds: float = 30.0
    method: str = ""
    status: int = 500
    body: str = "<html>Bad gateway</html>"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")

    def matches(self, call: Call) -> bool:
        return self.times > 0 and self.method in ("", call.method) and fnmatch(call.path, self.path)


class FakeServer:
    """One fake provider. ``with Fake() as fake:`` listens on a free port; ``fake.url`` is its address."""

    name: ClassVar[str] = "fake"

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1", state: str | Path | None = None) -> None:
        self.lock = threading.RLock()
        self.latency = 0.0
        self.accounts: dict[str, dict[str, Any]] = {}
        self.faults: list[Fault] = []
        self.requests: list[Call] = []
        self.deliveries = Deliveries(self.compose)
        self.stopping = threading.Event()
        self._state = Path(state) if state else None
        self._server = _Server((host, port), _Handler)
        self._server.fake = self
        self._thread: threading.Thread | None = None
        self._changed = threading.Event()
        self._keeper = threading.Thread(target=self._keep_state, daemon=True, name=f"fake {self.name}'s state")

    # -- life

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> Self:
        if self._state and self._state.exists():
            self.load(json.loads(self._state.read_text()))
        self.deliveries.start()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name=f"fake {self.name}")
        self._thread.start()
        if self._state:
            self._keeper.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self.deliveries.stop()
        if self._thread:
            self._server.shutdown()
        self._server.server_close()
        if self._keeper.is_alive():
            self._keeper.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- what a provider defines

    def admit(self, call: Call) -> Reply | None:
        """Before any work: an answer to a repeated or unauthorised call. Runs under the lock."""
        return None

    def answer(self, call: Call) -> Reply:
        """Do the work. Runs under the lock; raises Refusal."""
        raise NotImplementedError

    def leave(self, call: Call) -> None:
        """The call is over, however it ended. Runs under the lock."""

    def control(self, call: Call) -> Any:
        """A call to ``/_fake/…`` that is the provider's own. Runs under the lock; None for an unknown one."""
        return None

    def signed(self, event: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of an event's delivery."""
        raise NotImplementedError

    def dump(self) -> Any:
        """Everything worth keeping over a restart, as JSON."""
        raise NotImplementedError

    def load(self, state: Any) -> None:
        raise NotImplementedError

    def internal_error(self) -> Reply:
        return Reply.of({"error": {"type": "api_error", "message": "An unknown error occurred"}}, 500)

    # -- what accounts hold

    @property
    def account(self) -> dict[str, Any]:
        """The first account."""
        return next(iter(self.accounts.values()))

    @property
    def refunds(self) -> list[dict[str, Any]]:
        return self.all("refunds")

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.all("events")

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Copies of every account's objects of this kind, oldest first."""
        with self.lock:
            return [json.loads(json.dumps(one)) for account in self.accounts.values() for one in account[kind].values()]

    def owner(self, kind: str, one: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """An object (not a copy) and the account that it belongs to. Raises Refusal."""
        for account in self.accounts.values():
            if one in account[kind]:
                return account, account[kind][one]
        raise Refusal(404, {"error": f"no {one} in {kind}"})

    def compose(self, event: str) -> tuple[str, dict[str, str], bytes] | None:
        """Address, headers and body of an event's next delivery; None when nobody listens."""
        with self.lock:
            account, _ = self.owner("events", event)
        return (account["webhook_url"], *self.signed(event)) if account["webhook_url"] else None

    # -- faults

    def fault(self, path: str, kind: str, *, times: int = 1, **options: Any) -> None:
        """From now on ``times`` calls to ``path`` go wrong this way."""
        with self.lock:
            self.faults.append(Fault(path, kind, times, **options))

    def calls(self, path: str, method: str = "") -> list[Call]:
        """The calls that came to ``path`` (a pattern), oldest first."""
        with self.lock:
            return [call for call in self.requests if fnmatch(call.path, path) and method in ("", call.method)]

    def do(self, what: str, **content: Any) -> Any:
        """``POST /_fake/<what>``. Raises HTTPError."""
        request = urllib.request.Request(f"{self.url}/_fake/{what}", json.dumps(content).encode())  # noqa: S310  our own address
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return json.load(answer)

    def send(self, path: str, content: str, **headers: str) -> tuple[int, Any]:
        """A call as somebody else than our product makes it: the status and the answer."""
        request = urllib.request.Request(f"{self.url}{path}", content.encode(), headers)  # noqa: S310  our own address
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    # -- one call

    def serve(self, call: Call) -> tuple[Reply, Fault | None]:
        """The answer to a call, and what is to go wrong with it."""
        if call.path.startswith("/_fake/"):
            return self._control(call), None
        with self.lock:
            self.requests.append(call)
            fault = next((fault for fault in self.faults if fault.matches(call)), None)
            if fault:
                fault.times -= 1
            if fault and fault.kind == "page":
                return Reply(fault.status, fault.body.encode(), {"Content-Type": "text/html", "Location": f"{self.url}/elsewhere"}), fault
            if fault and fault.kind in ("error_before", "reset_before"):
                return Reply(fault.status, self.internal_error().body, {"Content-Type": "application/json"}), fault
            try:
                early = self.admit(call)
            except Refusal as refused:
                early = refused.reply
        if early is not None:
            return early, fault
        try:
            if self.latency:
                self.stopping.wait(self.latency)
            with self.lock:
                try:
                    reply = self.answer(call)
                except Refusal as refused:
                    reply = refused.reply
                self._keep(call)
        finally:
            with self.lock:
                self.leave(call)
        return reply, fault

    def _keep(self, call: Call) -> None:
        if call.method != "GET":
            self._changed.set()

    def _keep_state(self) -> None:
        """Write what has changed once in a while and at the end, not with every call."""
        assert self._state is not None
        draft = self._state.with_suffix(".draft")
        stopped = False
        while not stopped:
            stopped = self.stopping.wait(KEPT_EVERY_SECONDS)
            if self._changed.is_set():
                self._changed.clear()
                with self.lock:
                    state = json.dumps(self.dump())
                draft.write_text(state)
                draft.replace(self._state)

    def _control(self, call: Call) -> Reply:
        with self.lock:
            what = call.path.removeprefix("/_fake/").strip("/")
            try:
                match what.split("/"):
                    case ["faults"] if call.method == "DELETE":
                        self.faults.clear()
                        content: Any = {}
                    case ["faults"]:
                        self.fault(**call.json)
                        content = {}
                    case ["latency"]:
                        self.latency = float(call.json["seconds"])
                        content = {}
                    case ["deliveries"]:
                        self.deliveries.configure(**call.json)
                        content = {}
                    case ["redeliver", event]:
                        self.owner("events", event)
                        self.deliveries.send(event)
                        content = {}
                    case ["events"]:
                        content = {"events": self.events, "deliveries": self.deliveries.statuses}
                    case _:
                        content = self.control(call)
                        self._keep(call)
            except Refusal as refused:
                return refused.reply
            except (KeyError, TypeError, ValueError) as error:
                return Reply.of({"error": str(error)}, 400)
        if content is None:
            return Reply.of({"error": "unknown"}, 404)
        return content if isinstance(content, Reply) else Reply.of(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    fake: FakeServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one(self) -> None:
        fake = self.server.fake
        length = int(self.headers.get("Content-Length") or 0)
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.command, address.path, dict(parse_qsl(address.query)), headers, self.rfile.read(length))
        if fake.stopping.is_set():
            self._reset()
            return
        if self.command == "OPTIONS":
            self._send(Reply(204, b""))
            return
        reply, fault = fake.serve(call)
        match fault:
            case Fault(kind="hang"):
                fake.stopping.wait(fault.seconds)
            case Fault(kind="reset_after" | "reset_before"):
                self._reset()
                return
            case Fault(kind="error_after"):
                reply = Reply(fault.status, fake.internal_error().body, {"Content-Type": "application/json"})
            case Fault(kind="garbage"):
                reply = Reply(200, fault.body.encode(), {"Content-Type": "text/html"})
        self._send(reply, drip=fault.seconds if fault and fault.kind == "drip" else 0)

    do_GET = do_POST = do_PATCH = do_DELETE = do_OPTIONS = handle_one

    def _send(self, reply: Reply, drip: float = 0) -> None:
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "Unknown"
        headers = {"Date": formatdate(usegmt=True), **CORS, **reply.headers}
        if reply.status != 204:
            headers["Content-Length"] = str(len(reply.body))
        head = f"HTTP/1.1 {reply.status} {phrase}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        if not drip:
            self.wfile.write(head.encode() + reply.body)  # one write: no waiting for acknowledgements
            return
        self.wfile.write(head.encode())
        for byte in reply.body:
            self.wfile.write(bytes([byte]))
            if self.server.fake.stopping.wait(drip):
                break

    def _reset(self) -> None:
        """Close the connection with a reset, as a crashing server or a broken network does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what came in is in ``requests``."""


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """A form as a tree: ``a[b]=c`` is ``{"a": {"b": "c"}}``."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = name.replace("]", "").split("[")
        branch = tree
        for step in rest:
            branch = branch.setdefault(first, {})
            first = step
        branch[first] = value
    return tree
