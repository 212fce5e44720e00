"""``make bench-paying``: card sales at a steady rate through a provider that takes its time, on a demo of their own.

Server, worker, fake Stripe (every call takes ``--latency``) and the load client share the machine. Each sale is a POST checkout with an
Idempotency-Key; its card is then confirmed at the fake as a client's browser would, the webhook comes back and the worker settles it.
Afterwards nobody may have been charged without a paid order, and the books must balance: that is asked of the API, not of the tables.

    make bench-paying ARGS="--rate 10 --seconds 60 --latency 0.2"
"""

import argparse
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".data" / "bench-paying"
SESSIONS = 10


@dataclass
class Seen:
    """What the load client saw; times in milliseconds."""

    answered: list[float] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def call(url: str, body: Any = None, token: str = "", **headers: str) -> Any:
    """JSON in and out; a form when ``body`` is bytes."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    if not isinstance(body, bytes):
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"{'Bearer' if token.startswith('pk_') else 'Token'} {token}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


class Sales:
    """One business of the demo, with a package of ten sessions to sell."""

    def __init__(self, demo: dict[str, Any], seen: Seen) -> None:
        self.base, self.stripe, self.seen = demo["base_url"], demo["providers"]["stripe"], seen
        self.token = demo["accounts"][0]["tokens"]["owner"]
        mark = secrets.token_hex(3)
        service = self.post("services/", {"name": f"Bench {mark}", "duration_minutes": 60, "price_cents": 5000})["id"]
        package = {"package_name": f"Bench {mark}", "price_cents": 45000, "items": [{"service": service, "quantity": SESSIONS}]}
        self.package = self.post("packages/", package)["id"]
        self.client = self.post("clients/", {"full_name": f"Bench {mark}"})["id"]

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return call(f"{self.base}/api/{path}", body, self.token, **headers)

    def get(self, path: str) -> Any:
        return call(f"{self.base}/api/{path}", token=self.token)

    def one(self) -> None:
        """A sale, from the click to the card's yes."""
        began = time.perf_counter()
        wish = {"client": self.client, "package": self.package, "method": "stripe"}
        try:
            sale = self.post("checkout/", wish, **{"Idempotency-Key": secrets.token_hex(16)})
        except (urllib.error.URLError, OSError) as error:
            with self.seen.lock:
                self.seen.refused.append(f"{error} {error.read().decode()[:300] if isinstance(error, urllib.error.HTTPError) else ''}")
            return
        took = (time.perf_counter() - began) * 1000
        payment = sale["payment"]
        intent = payment["client_secret"].partition("_secret_")[0]
        form = urllib.parse.urlencode({"client_secret": payment["client_secret"], "payment_method": "pm_card_visa"}).encode()
        call(f"{self.stripe}/v1/payment_intents/{intent}/confirm", form, payment["publishable_key"])
        with self.seen.lock:
            self.seen.answered.append(took)
            self.seen.orders.append(sale["order"]["id"])

    def unpaid(self) -> list[int]:
        """Orders of this run that are not paid yet."""
        found, path = [], f"orders/?client={self.client}&payment_status=unpaid&page_size=100"
        while path:
            page = self.get(path)
            found += [order["id"] for order in page["results"]]
            path = page["next"].split("/api/", 1)[1] if page["next"] else ""
        return found


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=10.0, help="Checkouts per second.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--latency", type=float, default=0.2, help="Seconds that every call to the provider takes.")
    parser.add_argument("--port", type=int, default=8395)
    chosen = parser.parse_args()
    environment = {**os.environ, "DATA_DIR": str(FOLDER), "DEMO_DIR": str(FOLDER), "LOG_LEVEL": "WARNING"}
    command = [sys.executable, "manage.py", "demo", f"--port={chosen.port}", "--reset"]
    file = FOLDER / "credentials.json"
    file.unlink(missing_ok=True)
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while not file.exists():
            if server.poll() is not None:
                raise SystemExit("The demo did not start.")
            time.sleep(0.2)
        demo, seen = json.loads(file.read_text()), Seen()
        sales = Sales(demo, seen)
        call(f"{demo['providers']['stripe']}/_fake/latency", {"seconds": chosen.latency})
        began, count = time.perf_counter(), int(chosen.rate * chosen.seconds)
        with ThreadPoolExecutor(64) as pool:
            for number in range(count):
                time.sleep(max(0.0, began + number / chosen.rate - time.perf_counter()))
                pool.submit(sales.one)
        sent = time.perf_counter() - began
        while sales.unpaid() and time.perf_counter() - began - sent < 120:
            time.sleep(0.5)
        drained = time.perf_counter() - began - sent
        left = sales.unpaid()
        balances = [book for found in sales.get("ledger/balances/")["currencies"] for book in found["books"]]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    print(f"{count} card sales of {SESSIONS} sessions at {chosen.rate:g}/s, provider {chosen.latency * 1000:g} ms, {os.cpu_count()} cores:")
    print(f"  answered {len(seen.answered)}, refused {len(seen.refused)}; {len(seen.answered) / sent:.1f}/s sustained over {sent:.0f} s")
    if seen.answered:
        print(
            f"  checkout p50 {statistics.median(seen.answered):.0f} ms, p95 {percentile(seen.answered, 95):.0f} ms, max {max(seen.answered):.0f} ms"
        )
    print(f"  settled by webhook: {len(seen.orders) - len(left)} of {len(seen.orders)}, the last {drained:.1f} s after the last checkout")
    print(f"  books: sum of all balances {sum(book['amount_cents'] for book in balances)}")
    for problem in seen.refused[:3]:
        print(f"  refused: {problem}")
    return 0 if not seen.refused and not left else 1


if __name__ == "__main__":
    sys.exit(main())
