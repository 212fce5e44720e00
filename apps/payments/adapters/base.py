"""What every payment provider is to us: one Protocol, a few plain values, and three ways to fail.

Adapters know neither models nor scopes. A call may take seconds and may have an effect although its answer is lost; so none is made
inside a database transaction, and everything that creates something carries a key under which the provider does it only once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ChargeState(StrEnum):
    """Where a payment stands at its provider."""

    REQUIRES_ACTION = "requires_action"  # the client has to do something: enter a card, approve
    APPROVED = "approved"  # the client has agreed; ``capture`` takes the money
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RefundState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class DisputeState(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment to begin: ``amount_cents`` of ``currency`` (ISO 4217, upper case).

    ``key`` is ours and stays the same for every attempt to begin this payment. ``metadata`` (account, order, payment: our ids as
    text) comes back with every answer. ``return_url`` is where the provider sends the client's browser.
    """

    key: str
    amount_cents: int
    currency: str
    description: str
    metadata: Mapping[str, str]
    return_url: str = ""
    cancel_url: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """A payment as its provider describes it. Settling compares every word of it with what was asked for.

    ``reference`` names it (a PaymentIntent, a PayPal order), ``capture_reference`` what its refunds and disputes refer to.
    ``payee`` is who gets the money, '' when the provider does not say. ``failure`` is the provider's code.
    """

    reference: str
    state: ChargeState
    amount_cents: int
    captured_cents: int
    currency: str
    refunded_cents: int = 0
    payee: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    capture_reference: str = ""
    client_secret: str = field(default="", repr=False)
    approve_url: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to give back, under a ``key`` of ours. ``reference`` and ``capture_reference`` are the payment's."""

    key: str
    reference: str
    capture_reference: str
    amount_cents: int
    currency: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    """A refund as its provider describes it; ``charge_reference`` is the payment's reference or capture reference."""

    reference: str
    state: RefundState
    amount_cents: int
    currency: str
    charge_reference: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class DisputeAnswer:
    """A chargeback as its provider describes it."""

    reference: str
    state: DisputeState
    amount_cents: int
    currency: str
    charge_reference: str
    reason: str = ""


class Subject(StrEnum):
    """What a provider's event is about. Its content is never used: the object is read again."""

    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A verified event: ``reference`` names the object of its ``subject``, by which ``fetch…`` reads it."""

    event_id: str
    type: str
    subject: Subject
    reference: str
    created_at: datetime | None = None


class ProviderError(Exception):
    """Base of what a call to a provider may raise. ``code`` is short and safe to store; no credentials, no bodies."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}" if message else code)


class ProviderUnavailable(ProviderError):
    """No answer, or one that says nothing (timeout, reset, 5xx, garbage): it may have happened, and is to be asked about later."""


class ProviderRefused(ProviderError):
    """The provider has understood and said no: it has not happened."""


class ProviderMisconfigured(ProviderRefused):
    """The provider does not know these credentials."""


class SignatureInvalid(Exception):
    """An event that is not proven to come from the provider, or not now."""


class Provider(Protocol):
    """One payment provider with the credentials of one account."""

    name: str

    def begin(self, intent: Intent) -> Charge:
        """Begin a payment; with the same key, find the one that was begun."""
        ...

    def fetch(self, reference: str) -> Charge:
        """The payment as it stands now."""
        ...

    def capture(self, reference: str, *, key: str) -> Charge:
        """Take the money of an approved payment; of one that is not approved, just its state."""
        ...

    def cancel(self, reference: str) -> Charge:
        """Make sure that no money can come any more; if it has come already, the answer says so."""
        ...

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Give money back; with the same key, find the refund that was made."""
        ...

    def fetch_refund(self, reference: str) -> RefundAnswer: ...

    def fetch_dispute(self, reference: str) -> DisputeAnswer: ...

    def check(self) -> str:
        """Ask the provider whether it knows us; returns the payee's name there. Raises ProviderMisconfigured."""
        ...

    def verify(self, *, headers: Mapping[str, str], body: bytes, at: datetime) -> Inbound:
        """The event in these raw bytes. Raises SignatureInvalid for forged, old, future, re-encoded ones; fails closed without a secret.

        A provider that has to be asked whether it is genuine may also raise ProviderUnavailable or ProviderMisconfigured: nothing is
        known then, and the event will come again.
        """
        ...
