"""A web server with one calendar on it, which can be changed, broken and slowed down."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class CalendarServer:
    """``with CalendarServer(body) as there:`` serves at ``there.url``; ``there.requests`` are the headers it was asked with.

    It knows ETags: whoever has ``there.etag`` already gets 304.
    """

    def __init__(self, body: bytes = b"", *, etag: str = "") -> None:
        self.body, self.etag, self.status, self.wait = body, etag, 200, 0.0
        self.headers: dict[str, str] = {}
        self.requests: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(server.wait)
                known = server.etag and self.headers.get("If-None-Match") == server.etag
                self.send_response(304 if known else server.status)
                for name, value in {**({"ETag": server.etag} if server.etag else {}), **server.headers}.items():
                    self.send_header(name, value)
                body = b"" if known else server.body
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}/private-4711/basic.ics"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def calendar(*parts: str, head: str = "") -> bytes:
    """A calendar of these events (``event``) or other components."""
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//somebody//else//EN\r\n{head}{''.join(parts)}END:VCALENDAR\r\n".encode()


def event(*lines: str, uid: str = "one@elsewhere.example") -> str:
    """A VEVENT of these lines."""
    return "".join(f"{line}\r\n" for line in ("BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT"))


def busy(start: str, end: str, uid: str = "one@elsewhere.example") -> str:
    """An event from ``start`` to ``end``, as in 20270104T100000Z."""
    return event(f"DTSTART:{start}", f"DTEND:{end}", uid=uid)
