"""A receiver of webhooks: checks each signature as the Standard Webhooks say, drops what it has seen, and prints what happened.

    make demo                                              # in one terminal
    python3 examples/webhook_receiver.py                   # in another: registers itself at the demo's first business, and takes itself off again
    python3 examples/webhook_receiver.py .demo/credentials.json 9911
    WEBHOOK_SECRET=whsec_… python3 examples/webhook_receiver.py --no-registration 9911

Standard library only. Without a port it takes a free one. ``--once N`` ends with code 0 after N true webhooks, or 1 after ``--seconds``.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
TOLERANCE_SECONDS = 300
MAX_BYTES = 1_000_000


class NotGenuine(Exception):
    """Nobody who knows the secret sent this, or not now."""


def verify(secrets: list[str], headers: Mapping[str, str], body: bytes, *, now: float) -> Any:
    """The event in a webhook. Raises NotGenuine.

    The signature is over the raw bytes, before anything reads them. There may be several signatures (two while the secret is being
    replaced) and several secrets: one pair that fits is enough.
    """
    name, sent_at, signatures = (headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if not sent_at.isdigit() or abs(now - int(sent_at)) > TOLERANCE_SECONDS:
        raise NotGenuine("it is old, or from the future: somebody may have recorded it")
    content = f"{name}.{sent_at}.".encode() + body
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        if any(hmac.compare_digest(expected.encode(), one.encode()) for one in signatures.split(" ")):
            return json.loads(body)
    raise NotGenuine("no signature fits")


class Receiver(ThreadingHTTPServer):
    """Listens on this machine. ``secrets`` are those of its endpoint."""

    daemon_threads = True

    def __init__(self, port: int, secrets: list[str]) -> None:
        super().__init__(("127.0.0.1", port), Hook)
        self.secrets = secrets
        self.seen: set[str] = set()  # in a real receiver: a unique key in the database, in the transaction of the work
        self.lock = threading.Lock()
        self.news = threading.Condition(self.lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/webhooks"

    def wait_for(self, count: int, seconds: float) -> bool:
        """Whether so many different events came in time."""
        with self.news:
            return self.news.wait_for(lambda: len(self.seen) >= count, seconds)


class Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Verify, remember, answer at once; whatever takes long comes after the answer."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BYTES:
            self._answer(413)
            return
        body = self.rfile.read(length)
        try:
            event = verify(self.server.secrets, self.headers, body, now=time.time())
        except NotGenuine as why:
            print(f"  ✗ refused: {why}", flush=True)
            self._answer(400)
            return
        with self.server.news:
            is_new = event["id"] not in self.server.seen
            self.server.seen.add(event["id"])
            self.server.news.notify_all()
        self._answer(204)
        subject = event["subject"]
        told = f"{event['type']}  {subject['type']} {subject['id']}  {json.dumps(event['changes'], ensure_ascii=False)}"
        print(f"  ✓ {event['id']}  {told}" if is_new else f"  = {event['id']} again: dropped", flush=True)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """What came is printed above."""


class Registration:
    """The endpoint at the demo's first business: there while we listen."""

    def __init__(self, credentials: Path) -> None:
        content = json.loads(credentials.read_text(encoding="utf-8"))
        account = content["accounts"][0]
        self.base_url, self.slug = content["base_url"], account["slug"]
        self.headers = {"Authorization": f"Token {account['tokens']['owner']}", "X-Account": self.slug, "Content-Type": "application/json"}
        self.id = 0

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, self.headers, method=method)  # noqa: S310  the demo's own address
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    def add(self, url: str) -> str:
        """The secret, which is told only now."""
        endpoint = self.call("POST", "/api/webhook-endpoints/", {"url": url, "description": "examples/webhook_receiver.py"})
        self.id = endpoint["id"]
        return endpoint["secret"]

    def ping(self) -> None:
        """Ask for a test."""
        self.call("POST", f"/api/webhook-endpoints/{self.id}/ping/", {})

    def remove(self) -> None:
        self.call("DELETE", f"/api/webhook-endpoints/{self.id}/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "credentials", nargs="?", type=Path, default=Path(os.environ.get("DEMO_DIR", PROJECT / ".demo")) / "credentials.json"
    )
    parser.add_argument("port", nargs="?", type=int, default=0)
    parser.add_argument("--no-registration", type=int, metavar="PORT", help="only listen there, with $WEBHOOK_SECRET")
    parser.add_argument("--once", type=int, default=0, metavar="N", help="end after N different events")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to wait for them")
    options = parser.parse_args()
    if options.no_registration is None and not options.credentials.exists():
        print(f"{options.credentials} is not there; start the demo first (make demo).", file=sys.stderr)
        return 1
    registration = None if options.no_registration is not None else Registration(options.credentials)
    secrets = os.environ.get("WEBHOOK_SECRET", "").split() if registration is None else []
    with Receiver(options.port if registration else options.no_registration, secrets) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            if registration:
                receiver.secrets.append(registration.add(receiver.url))
                registration.ping()
                print(f"Listening at {receiver.url} for {registration.slug}; Ctrl-C ends. Book something.", flush=True)
            else:
                print(f"Listening at {receiver.url}; Ctrl-C ends.", flush=True)
            if options.once:
                return 0 if receiver.wait_for(options.once, options.seconds) else 1
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0
        except urllib.error.URLError as error:
            print(f"The demo refused: {error}", file=sys.stderr)
            return 1
        finally:
            if registration and registration.id:
                registration.remove()
            receiver.shutdown()


if __name__ == "__main__":
    sys.exit(main())
