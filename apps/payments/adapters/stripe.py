"""Stripe: PaymentIntents with whatever methods the account has switched on, refunds, disputes, signed events.

The client pays in the browser with Stripe.js, the publishable key and ``client_secret``; we begin, read and refund.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import stripe
from django.conf import settings

from apps.core.db import outside_transactions
from apps.payments.adapters import currencies, wire
from apps.payments.adapters.base import (
    Charge,
    ChargeState,
    DisputeAnswer,
    DisputeState,
    Inbound,
    Intent,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    RefundAnswer,
    RefundRequest,
    RefundState,
    SignatureInvalid,
    Subject,
)

TOLERANCE_SECONDS = 300
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Our key beside the caller's metadata of a refund: Stripe forgets idempotency keys after a day, metadata never.
KEY = "refund_key"

CHARGE_STATES = {
    "requires_payment_method": ChargeState.REQUIRES_ACTION,
    "requires_confirmation": ChargeState.REQUIRES_ACTION,
    "requires_action": ChargeState.REQUIRES_ACTION,
    "processing": ChargeState.PROCESSING,
    "requires_capture": ChargeState.APPROVED,
    "succeeded": ChargeState.SUCCEEDED,
    "canceled": ChargeState.CANCELLED,
}
REFUND_STATES = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}
DISPUTE_STATES = {
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "warning_needs_response": DisputeState.OPEN,
    "warning_under_review": DisputeState.OPEN,
    "warning_closed": DisputeState.WON,  # an inquiry that took nothing
    "prevented": DisputeState.WON,  # settled by a refund, which comes as one
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
    "appeal_needs_response": DisputeState.LOST,  # lost, and lost it stays until the appeal is won
    "appeal_under_review": DisputeState.LOST,
}


class _Wire(stripe.HTTPClient):
    """The SDK's requests over our limits: its own client follows redirects and waits 80 seconds."""

    name = "httpx"

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: list[str] | None = None
    ) -> tuple[Any, int, Mapping[str, str]]:
        content = post_data.encode() if isinstance(post_data, str) else post_data or b""
        try:
            answer = wire.exchange(method.upper(), url, headers=headers or {}, content=content)
        except wire.NoAnswer as lost:
            code = lost.code
        else:
            return answer.body, answer.status, answer.headers
        raise stripe.APIConnectionError(code, code=code)

    def close(self) -> None:
        """The pool belongs to the process."""


class StripeProvider:
    """One Stripe account."""

    name = "stripe"

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self._credentials = dict(credentials)

    def begin(self, intent: Intent) -> Charge:
        """A PaymentIntent. Its return address is given by the browser when it confirms, so ``return_url`` and ``cancel_url`` are not used."""
        params: dict[str, Any] = {
            "amount": currencies.to_stripe(intent.amount_cents, intent.currency),
            "currency": intent.currency.lower(),
            "automatic_payment_methods": {"enabled": True},
            "description": intent.description,
            "metadata": dict(intent.metadata),
            "expand": ["latest_charge"],
        }
        if intent.email:
            params["receipt_email"] = intent.email
        answer, replayed = self._call(lambda client: client.v1.payment_intents.create(cast(Any, params), {"idempotency_key": intent.key}))
        charge = _charge(answer)
        # A repeated key is answered with the words of the first time; the payment may have moved on since.
        return self.fetch(charge.reference) if replayed else charge

    def fetch(self, reference: str) -> Charge:
        """The payment as it stands now; what has been given back counts refunds on their way, as Stripe does."""
        wire.checked_reference(reference)
        answer, _ = self._call(lambda client: client.v1.payment_intents.retrieve(reference, {"expand": ["latest_charge"]}))
        return _charge(answer, reference)

    def capture(self, reference: str, *, key: str) -> Charge:
        """Take authorised money. Payments of ours are taken by Stripe itself, so this mostly just reads."""
        charge = self.fetch(reference)
        if charge.state is not ChargeState.APPROVED:
            return charge
        try:
            self._call(lambda client: client.v1.payment_intents.capture(reference, options={"idempotency_key": key}))
        except ProviderRefused as refused:
            if refused.code != "payment_intent_unexpected_state":
                raise
        return self.fetch(reference)

    def cancel(self, reference: str) -> Charge:
        """No money can come any more; when Stripe refuses because it has come or is coming, the answer says so."""
        wire.checked_reference(reference)
        try:
            self._call(lambda client: client.v1.payment_intents.cancel(reference))
        except ProviderRefused as refused:
            if refused.code != "payment_intent_unexpected_state":
                raise
        return self.fetch(reference)

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Give money back. Refunds made before are looked through for our key first: Stripe forgets keys after a day."""
        wire.checked_reference(request.reference)
        wanted = {"payment_intent": request.reference, "limit": 100}
        made, _ = self._call(lambda client: client.v1.refunds.list(cast(Any, wanted)))
        found = next((one for one in _refunds(made) if one.metadata.get(KEY) == request.key), None)
        if found:
            return found
        params = {
            "payment_intent": request.reference,
            "amount": currencies.to_stripe(request.amount_cents, request.currency),
            "metadata": {**request.metadata, KEY: request.key},
        }
        answer, replayed = self._call(lambda client: client.v1.refunds.create(cast(Any, params), {"idempotency_key": request.key}))
        refund = _refund(answer)
        return self.fetch_refund(refund.reference) if replayed else refund

    def fetch_refund(self, reference: str) -> RefundAnswer:
        wire.checked_reference(reference)
        answer, _ = self._call(lambda client: client.v1.refunds.retrieve(reference))
        return _refund(answer, reference)

    def fetch_dispute(self, reference: str) -> DisputeAnswer:
        wire.checked_reference(reference)
        answer, _ = self._call(lambda client: client.v1.disputes.retrieve(reference))
        return _dispute(answer, reference)

    def check(self) -> str:
        """The account's name on its dashboard, or its id."""
        answer, _ = self._call(lambda client: client.v1.accounts.retrieve_current())
        return _account_name(answer)

    def verify(self, *, headers: Mapping[str, str], body: bytes, at: datetime) -> Inbound:
        """The SDK's check of the raw bytes with the current or the previous secret; the time is held against ``at`` in both directions.

        The SDK itself refuses old events only, and by the machine's clock.
        """
        current, previous = (self._credentials.get(name, "").strip() for name in ("webhook_secret", "previous_webhook_secret"))
        signature = wire.header(headers, "Stripe-Signature")
        times = re.findall(r"(?:^|,)t=(\d{1,12})(?=,|$)", signature)
        if not current or len(times) != 1 or not any(_signed(body, signature, secret) for secret in (current, previous) if secret):
            raise SignatureInvalid("This event is not signed by Stripe for this account.")
        if abs(at.timestamp() - int(times[0])) > TOLERANCE_SECONDS:
            raise SignatureInvalid("This event was not sent just now.")
        try:
            return _inbound(json.loads(body))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            raise SignatureInvalid("This is not an event.") from None

    def _call(self, call: Callable[[stripe.StripeClient], Any]) -> tuple[dict[str, Any], bool]:
        """The answer's plain JSON, and whether it is a repetition of an earlier one."""
        failure: ProviderError
        secret = self._credentials.get("secret_key", "")
        if not wire.is_key(secret):
            raise ProviderMisconfigured("no_secret_key")
        with outside_transactions():
            client = stripe.StripeClient(
                secret,
                base_addresses={"api": settings.STRIPE_API_BASE},
                max_network_retries=0,
                http_client=_Wire(),
            )
            try:
                response = call(client).last_response
                return dict(response.data), "idempotent-replayed" in response.headers
            except stripe.StripeError as error:
                failure = _failure(error)
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError):  # JSON that is no object of Stripe's
                failure = ProviderUnavailable("unreadable")
        raise failure  # outside, so that it carries neither the SDK's error nor the answer's body


def _failure(error: stripe.StripeError) -> ProviderError:
    """The SDK's error in our words, without its sentences."""
    status = error.http_status or 0
    code = wire.short_code(error.code, getattr(error.error, "code", ""), getattr(error.error, "type", ""))
    if isinstance(error, stripe.APIConnectionError):
        return ProviderUnavailable(code)
    if status in (401, 403):
        return ProviderMisconfigured("unknown_credentials")
    if isinstance(error, stripe.RateLimitError) or status == 429:
        return ProviderUnavailable("rate_limit")
    # A key that is in use, or was used with other words: something has been done under it, only not what was asked just now.
    if isinstance(error, stripe.IdempotencyError) or status == 409:
        return ProviderUnavailable(code)
    if status >= 500:
        return ProviderUnavailable("server_error")
    if status < 400 or not error.error:
        return ProviderUnavailable("unreadable")
    return ProviderRefused(code)


@wire.reader
def _charge(intent: Mapping[str, Any], reference: str = "") -> Charge:
    currency = _currency(intent)
    charge = intent.get("latest_charge")
    received = _integer(intent["amount_received"])
    failed = intent.get("last_payment_error")
    return Charge(
        reference=_same(intent, "payment_intent", reference),
        state=CHARGE_STATES[intent["status"]],
        amount_cents=currencies.from_stripe(_integer(intent["amount"]), currency),
        captured_cents=currencies.from_stripe(received, currency),
        currency=currency,
        refunded_cents=currencies.from_stripe(_integer(charge["amount_refunded"]), currency) if isinstance(charge, Mapping) else 0,
        metadata=_texts(intent),
        capture_reference=_id(charge) if received else "",  # before, the latest charge is one that failed
        client_secret=str(intent.get("client_secret") or ""),
        failure=wire.short_code(failed.get("code"), failed.get("type")) if failed else "",
    )


@wire.reader
def _refund(refund: Mapping[str, Any], reference: str = "") -> RefundAnswer:
    currency = _currency(refund)
    state = REFUND_STATES[refund["status"]]
    return RefundAnswer(
        reference=_same(refund, "refund", reference),
        state=state,
        amount_cents=currencies.from_stripe(_integer(refund["amount"]), currency),
        currency=currency,
        charge_reference=_id(refund.get("payment_intent")) or _id(refund["charge"]),
        metadata=_texts(refund),
        failure=wire.short_code(refund.get("failure_reason"), refund["status"]) if state is RefundState.FAILED else "",
    )


@wire.reader
def _refunds(listed: Mapping[str, Any]) -> list[RefundAnswer]:
    return [_refund(one) for one in listed["data"]]


@wire.reader
def _dispute(dispute: Mapping[str, Any], reference: str) -> DisputeAnswer:
    currency = _currency(dispute)
    return DisputeAnswer(
        reference=_same(dispute, "dispute", reference),
        state=DISPUTE_STATES[dispute["status"]],
        amount_cents=currencies.from_stripe(_integer(dispute["amount"]), currency),
        currency=currency,
        charge_reference=_id(dispute.get("payment_intent")) or _id(dispute["charge"]),
        reason=wire.short_code(dispute.get("reason"), "general"),
    )


@wire.reader
def _account_name(account: Mapping[str, Any]) -> str:
    shown = ((account.get("settings") or {}).get("dashboard") or {}).get("display_name")
    return str(shown or "") or _same(account, "account")


def _inbound(event: Mapping[str, Any]) -> Inbound:
    about, type = event["data"]["object"], event["type"]
    subject, reference = Subject.OTHER, ""
    if type.startswith("payment_intent."):
        subject, reference = Subject.CHARGE, about["id"]
    elif type.startswith("refund.") or type == "charge.refund.updated":
        subject, reference = Subject.REFUND, about["id"]
    elif type.startswith("charge.dispute."):
        subject, reference = Subject.DISPUTE, about["id"]
    elif type == "charge.refunded" and about.get("payment_intent"):
        subject, reference = Subject.CHARGE, _id(about["payment_intent"])
    if subject is not Subject.OTHER and not wire.REFERENCE.fullmatch(reference):
        raise ValueError("An id that is none.")
    if not wire.REFERENCE.fullmatch(event["id"]) or not wire.EVENT_TYPE.fullmatch(type):
        raise ValueError("An id or a type that is none.")
    return Inbound(event["id"], type, subject, reference, EPOCH + timedelta(seconds=_integer(event["created"])))


def _signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether the SDK accepts it; it raises for every other outcome, with body and header in its exception."""
    try:
        return bool(stripe.WebhookSignature.verify_header(body, signature, secret, None))
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False


def _same(found: Mapping[str, Any], kind: str, reference: str = "") -> str:
    """The id of an object of this kind, and of the one that was asked for."""
    if found["object"] != kind or not isinstance(found["id"], str) or found["id"] != (reference or found["id"]):
        raise ValueError("Another object.")
    return found["id"]


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("No integer.")
    return value


def _currency(found: Mapping[str, Any]) -> str:
    return str(found["currency"]).upper()


def _id(value: Any) -> str:
    """The id of something that comes as an id or as the whole object."""
    return str((value.get("id") if isinstance(value, Mapping) else value) or "")


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in (found.get("metadata") or {}).items()}
