"""One provider with its fake, so that what both promise is tested once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.payments.adapters import connect
from apps.payments.adapters.base import Charge, Intent, Provider, RefundRequest
from tests.fakes.server import FakeServer

METADATA = {"account": "7", "order": "41", "payment": "99"}


@dataclass
class Peer:
    fake: Any
    provider: Provider
    begin_path: str
    refund_path: str
    pay: Callable[[str], Any]  # the client pays, and the money is ours
    secrets: list[str] = field(default_factory=list)

    def intent(self, key: str = "payment-99", **changes: Any) -> Intent:
        words = {"amount_cents": 12550, "currency": "EUR", "description": "Ten sessions", "metadata": METADATA}
        return Intent(key=key, **{**words, "return_url": "https://studio.example/back?order=41", **changes})

    def begun(self, **changes: Any) -> Charge:
        return self.provider.begin(self.intent(**changes))

    def paid(self, **changes: Any) -> Charge:
        """A payment of 125.50 EUR that has succeeded."""
        charge = self.begun(**changes)
        self.pay(charge.reference)
        return self.provider.fetch(charge.reference)

    def part(self, charge: Charge, cents: int, key: str = "refund-5") -> RefundRequest:
        return RefundRequest(key, charge.reference, charge.capture_reference, cents, charge.currency, {**METADATA, "refund": "5"})

    @property
    def charged(self) -> int:
        return len(self.fake.charges)


def peer_of(fake: FakeServer, **credentials: str) -> Peer:
    """The fake's first account, with other ``credentials`` on request."""
    provider = connect(fake.name, {**fake.credentials, **credentials})
    if fake.name == "stripe":
        secrets = [fake.credentials["secret_key"], fake.credentials["webhook_secret"]]
        return Peer(fake, provider, "/v1/payment_intents", "/v1/refunds", fake.confirm, secrets)

    def approve_and_capture(order: str) -> None:
        fake.approve(order)
        provider.capture(order, key=f"capture-{order}")

    secrets = [fake.credentials["client_secret"]]
    return Peer(fake, provider, "/v2/checkout/orders", "/v2/payments/captures/*/refund", approve_and_capture, secrets)
