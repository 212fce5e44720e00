"""The fakes as programs: ``python -m tests.fakes.stripe`` and ``python -m tests.fakes.paypal``."""

import argparse
import signal
import sys
import threading
from typing import Any

from tests.fakes.paypal import PayPalFake
from tests.fakes.server import FakeServer
from tests.fakes.stripe import StripeFake


def _parser(name: str, port: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"A fake {name} on this machine.")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--webhook", default="", help="where events of the first account are sent")
    parser.add_argument("--state", help="a file that keeps everything over a restart")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every call takes")
    return parser


def _serve(fake: FakeServer, latency: float) -> None:
    """Until SIGINT or SIGTERM."""
    over = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: over.set())
    fake.latency = latency
    with fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        over.wait()


def _given(**words: Any) -> dict[str, str]:
    return {name: value for name, value in words.items() if value}


def run_stripe() -> None:
    parser = _parser("Stripe", 8702)
    parser.add_argument("--secret", help="whsec_…, the signing secret of the webhook")
    parser.add_argument("--key", help="sk_test_…")
    parser.add_argument("--publishable", help="pk_test_…")
    given = parser.parse_args()
    account = _given(webhook_url=given.webhook, webhook_secret=given.secret, secret_key=given.key, publishable_key=given.publishable)
    _serve(StripeFake(account=account, port=given.port, host=given.host, state=given.state), given.latency)


def run_paypal() -> None:
    parser = _parser("PayPal", 8703)
    parser.add_argument("--webhook-id", help="WH-…, the webhook's id at PayPal")
    parser.add_argument("--client-id")
    parser.add_argument("--client-secret")
    parser.add_argument("--merchant-id")
    given = parser.parse_args()
    account = _given(
        webhook_url=given.webhook,
        webhook_id=given.webhook_id,
        client_id=given.client_id,
        client_secret=given.client_secret,
        merchant_id=given.merchant_id,
    )
    _serve(PayPalFake(account=account, port=given.port, host=given.host, state=given.state), given.latency)
