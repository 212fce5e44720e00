"""A small HTTP load client: a few keep-alive connections, one request at a time on each, loopback only, bounded in time."""

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
GIVE_UP_AFTER = 20.0


@dataclass
class Result:
    """What one run saw; latencies in milliseconds, sorted once the run is over."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    size: int = 0
    refused: list[bytes] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.latencies)

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    def percentile(self, percent: float) -> float:
        """The latency that ``percent`` of the answers did not exceed."""
        return self.latencies[min(self.count - 1, int(self.count * percent / 100))]


def request(method: str, path: str, token: str, port: int, body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}:{port}", f"Authorization: Token {token}", "Accept: application/json"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=GIVE_UP_AFTER)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.expected = 0
        self.sent_at = 0.0

    def send(self, data: bytes) -> None:
        self.received.clear()
        self.expected = 0
        self.sent_at = time.perf_counter()
        self.socket.sendall(data)

    def receive(self) -> bool:
        """Take what has arrived; true when the answer is complete."""
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise ConnectionError("The server closed the connection.")
        self.received += chunk
        if not self.expected:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = bytes(self.received[:end]).lower()
            start = head.index(b"content-length:") + 15
            self.expected = end + 4 + int(head[start : (head.find(b"\r\n", start) + 1 or len(head) + 1) - 1])
        return len(self.received) >= self.expected


def run(port: int, requests: Iterator[bytes], *, seconds: float, connections: int) -> Result:
    """Send requests for ``seconds``, or until there are none left, and wait for the answers that are on their way."""
    result = Result()
    with selectors.DefaultSelector() as selector:
        started = time.perf_counter()
        waiting = 0
        for _ in range(connections):
            opened = _Connection(port)
            selector.register(opened.socket, selectors.EVENT_READ, opened)
            if (data := next(requests, None)) is not None:
                opened.send(data)
                waiting += 1
        while waiting:
            ready = selector.select(GIVE_UP_AFTER)
            if not ready:
                raise TimeoutError(f"No answer within {GIVE_UP_AFTER:.0f} s.")
            for key, _ in ready:
                connection: _Connection = key.data
                if not connection.receive():
                    continue
                now = time.perf_counter()
                result.latencies.append((now - connection.sent_at) * 1000)
                result.size += len(connection.received)
                if connection.received[9:10] != b"2":
                    result.refused.append(bytes(connection.received[:2000]))
                data = next(requests, None) if now - started < seconds else None
                if data is None:
                    waiting -= 1
                else:
                    connection.send(data)
        result.seconds = time.perf_counter() - started
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    result.latencies.sort()
    return result
