"""A server of somebody else's: it says what a test wants it to say, byte by byte."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Door(socketserver.ThreadingTCPServer):
    """A server on a free local port that answers each request with what ``say`` writes; ``heard`` is what came in, byte by byte."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, say: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> None:
        self.heard: list[bytes] = []
        self.context = context
        self.stopping = threading.Event()
        door = self

        class Visit(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    connection = door.context.wrap_socket(self.request, server_side=True) if door.context else self.request
                except (ssl.SSLError, OSError):
                    return
                got = b""
                while b"\r\n\r\n" not in got:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    got += piece
                head, _, body = got.partition(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
                while len(body) < length:
                    body += connection.recv(65536)
                door.heard.append(head + b"\r\n\r\n" + body)
                try:
                    say(connection)
                finally:
                    connection.close()

        super().__init__(("127.0.0.1", 0), Visit)
        self.port: int = self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what several tests are about."""


@contextmanager
def served(say: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[Door]:
    with Door(say, context) as door:
        threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True).start()
        yield door
        door.stopping.set()
        door.shutdown()


def saying(text: str) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text.encode())


OK = saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Word: yes\r\n\r\nhi")
