"""PayPal: Orders v2 with intent CAPTURE, refunds of captures, disputes, events verified by asking PayPal.

The client approves the order on PayPal's page (``approve_url``); then we capture it.
"""

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

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
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    RefundAnswer,
    RefundRequest,
    RefundState,
    SignatureInvalid,
    Subject,
)

FUTURE = timedelta(seconds=300)
CUSTOM_ID_LENGTH = 127
TOKEN_MARGIN_SECONDS = 60

ORDER_STATES = {
    "CREATED": ChargeState.REQUIRES_ACTION,
    "SAVED": ChargeState.REQUIRES_ACTION,
    "PAYER_ACTION_REQUIRED": ChargeState.REQUIRES_ACTION,
    "APPROVED": ChargeState.APPROVED,
    "VOIDED": ChargeState.CANCELLED,
}
# Of several captures the best one counts: later in this list.
CAPTURE_STATES = {
    "FAILED": ChargeState.FAILED,
    "DECLINED": ChargeState.FAILED,
    "PENDING": ChargeState.PROCESSING,
    "COMPLETED": ChargeState.SUCCEEDED,
    "PARTIALLY_REFUNDED": ChargeState.SUCCEEDED,
    "REFUNDED": ChargeState.SUCCEEDED,
}
REFUND_STATES = {
    "PENDING": RefundState.PENDING,
    "COMPLETED": RefundState.SUCCEEDED,
    "FAILED": RefundState.FAILED,
    "CANCELLED": RefundState.FAILED,
}
DISPUTE_OUTCOMES = {
    "RESOLVED_BUYER_FAVOUR": DisputeState.LOST,
    "ACCEPTED": DisputeState.LOST,
    "RESOLVED_SELLER_FAVOUR": DisputeState.WON,
    "RESOLVED_WITH_PAYOUT": DisputeState.WON,  # PayPal has paid the buyer
    "CANCELED_BY_BUYER": DisputeState.WON,
    "DENIED": DisputeState.WON,
    "NONE": DisputeState.WON,
}
OPEN_DISPUTE = ("OPEN", "WAITING_FOR_BUYER_RESPONSE", "WAITING_FOR_SELLER_RESPONSE", "UNDER_REVIEW", "OTHER")
SIGNED_BY = {
    "auth_algo": "PAYPAL-AUTH-ALGO",
    "cert_url": "PAYPAL-CERT-URL",
    "transmission_id": "PAYPAL-TRANSMISSION-ID",
    "transmission_sig": "PAYPAL-TRANSMISSION-SIG",
    "transmission_time": "PAYPAL-TRANSMISSION-TIME",
}

# Access tokens by address and credentials, with the time until which they are used. Never logged, never stored.
_tokens: dict[tuple[str, str, bytes], tuple[str, float]] = {}
_tokens_lock = threading.Lock()


class _NotFound(ProviderRefused):
    """PayPal knows nothing under this id."""


class PayPalProvider:
    """One PayPal business account."""

    name = "paypal"

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self._credentials = dict(credentials)

    def begin(self, intent: Intent) -> Charge:
        """An order, to be approved at ``approve_url``.

        PayPal remembers the request id for hours only; ``invoice_id``, which it accepts for one payment ever, is the second lock: of two
        orders of one intent only one can be captured.
        """
        custom_id = urlencode(intent.metadata)
        if len(custom_id) > CUSTOM_ID_LENGTH:
            raise ValueError(f"PayPal keeps {CUSTOM_ID_LENGTH} characters of metadata.")
        unit = {
            "reference_id": "payment",
            "custom_id": custom_id,
            "invoice_id": intent.key,
            "description": intent.description[:127],
            "amount": _amount(intent.amount_cents, intent.currency),
        }
        experience = {"user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING"}
        if intent.return_url:
            experience |= {"return_url": intent.return_url, "cancel_url": intent.cancel_url or intent.return_url}
        wallet: dict[str, Any] = {"experience_context": experience}
        if intent.email:
            wallet["email_address"] = intent.email
        order = {
            "intent": "CAPTURE",
            "purchase_units": [{name: value for name, value in unit.items() if value}],
            "payment_source": {"paypal": wallet},
        }
        answer = self._call("POST", "/v2/checkout/orders", order, key=intent.key)
        return _charge(answer)

    def fetch(self, reference: str) -> Charge:
        """The order as it stands now. PayPal forgets one that nobody approved after some hours: that is a cancelled one."""
        try:
            answer = self._call("GET", f"/v2/checkout/orders/{wire.checked_reference(reference)}")
        except _NotFound:
            return Charge(reference, ChargeState.CANCELLED, amount_cents=0, captured_cents=0, currency="", failure="not_found")
        return _charge(answer, reference)

    def capture(self, reference: str, *, key: str) -> Charge:
        """Take the money of an approved order. An order is captured once, whatever the key."""
        try:
            self._call("POST", f"/v2/checkout/orders/{wire.checked_reference(reference)}/capture", {}, key=key)
        except _NotFound:
            return self.fetch(reference)
        except ProviderRefused as refused:
            if refused.code not in ("ORDER_NOT_APPROVED", "ORDER_ALREADY_CAPTURED"):
                raise
        return self.fetch(reference)

    def cancel(self, reference: str) -> Charge:
        """PayPal cannot cancel an order that is not captured: it takes no money unless we capture it, and we never will.

        So the answer is the state that was read, as cancelled when nothing has been captured.
        """
        charge = self.fetch(reference)
        if charge.state in (ChargeState.SUCCEEDED, ChargeState.PROCESSING):
            return charge
        return replace(charge, state=ChargeState.CANCELLED)

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Give back part of a capture; PayPal remembers the key for 45 days."""
        capture = request.capture_reference or self.fetch(request.reference).capture_reference
        if not capture:
            raise ProviderRefused("nothing_captured")
        custom_id = urlencode(request.metadata)
        if len(custom_id) > CUSTOM_ID_LENGTH:
            raise ValueError(f"PayPal keeps {CUSTOM_ID_LENGTH} characters of metadata.")
        content = {"amount": _amount(request.amount_cents, request.currency), **({"custom_id": custom_id} if custom_id else {})}
        answer = self._call("POST", f"/v2/payments/captures/{wire.checked_reference(capture)}/refund", content, key=request.key)
        return _refund(answer)

    def fetch_refund(self, reference: str) -> RefundAnswer:
        answer = self._call("GET", f"/v2/payments/refunds/{wire.checked_reference(reference)}")
        return _refund(answer, reference)

    def fetch_dispute(self, reference: str) -> DisputeAnswer:
        answer = self._call("GET", f"/v1/customer/disputes/{wire.checked_reference(reference)}")
        return _dispute(answer, reference)

    def check(self) -> str:
        """The merchant's id; a fresh token proves the credentials."""
        with outside_transactions():
            self._token(fresh=True)
        return self._credentials.get("merchant_id") or self._credentials["client_id"]

    def verify(self, *, headers: Mapping[str, str], body: bytes, at: datetime) -> Inbound:
        """PayPal itself says whether it has sent these bytes to our webhook; they are passed on exactly as they came.

        Old events are welcome, since PayPal sends an undelivered one again for three days; future ones are not.
        """
        webhook_id = self._credentials.get("webhook_id", "").strip()
        signed = {word: wire.header(headers, name) for word, name in SIGNED_BY.items()}
        if not webhook_id or not all(signed.values()):
            raise SignatureInvalid("This event is not signed by PayPal for this account.")
        try:
            if datetime.fromisoformat(signed["transmission_time"]) > at + FUTURE:
                raise SignatureInvalid("This event was not sent just now.")
            inbound = _inbound(_event(body))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError):
            raise SignatureInvalid("This is not an event.") from None
        envelope = json.dumps({**signed, "webhook_id": webhook_id}).encode()
        # The body is one JSON object (_event has made sure), so it cannot break out of its place.
        content = envelope[:-1] + b', "webhook_event": ' + body + b"}"
        try:
            answer = self._call("POST", "/v1/notifications/verify-webhook-signature", content)
        except ProviderMisconfigured:
            raise
        except ProviderRefused:  # the signature's words are malformed
            answer = {"verification_status": "FAILURE"}
        status = answer.get("verification_status")
        if status == "SUCCESS":
            return inbound
        if status == "FAILURE":
            raise SignatureInvalid("PayPal has not sent this event.")
        raise ProviderUnavailable("unreadable")

    def _call(self, method: str, path: str, content: Mapping[str, Any] | bytes = b"", *, key: str = "") -> Mapping[str, Any]:
        """The JSON object that PayPal answers. A token that it no longer knows is replaced once: with that nothing has happened."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Prefer": "return=representation"}
        if key:
            headers["PayPal-Request-Id"] = key
        with outside_transactions():
            answer = _exchange(method, path, {**headers, "Authorization": f"Bearer {self._token()}"}, body)
            if answer.status == 401:
                answer = _exchange(method, path, {**headers, "Authorization": f"Bearer {self._token(fresh=True)}"}, body)
        return _read(answer)

    def _token(self, *, fresh: bool = False) -> str:
        """An access token: the one at hand until shortly before it expires, unless a ``fresh`` one is wanted."""
        client_id, secret = self._credentials.get("client_id", ""), self._credentials.get("client_secret", "")
        if not wire.is_key(client_id) or not wire.is_key(secret):
            raise ProviderMisconfigured("no_client_secret")
        place = (settings.PAYPAL_API_BASE, client_id, sha256(secret.encode()).digest())
        with _tokens_lock:
            token, until = _tokens.get(place, ("", 0.0))
        if token and not fresh and time.time() < until:
            return token
        basic = b64encode(f"{client_id}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = _read(_exchange("POST", "/v1/oauth2/token", headers, b"grant_type=client_credentials"))
        token, seconds = _granted(answer)
        until = time.time() + seconds - TOKEN_MARGIN_SECONDS
        with _tokens_lock:
            _tokens[place] = (token, until)
        return token


def _exchange(method: str, path: str, headers: Mapping[str, str], body: bytes) -> wire.Answer:
    try:
        return wire.exchange(method, f"{settings.PAYPAL_API_BASE}{path}", headers=headers, content=body)
    except wire.NoAnswer as lost:
        code = lost.code
    raise ProviderUnavailable(code)


def _read(answer: wire.Answer) -> Mapping[str, Any]:
    """The JSON object of a good answer; raises what a bad one means."""
    status = answer.status
    if status in (401, 403):
        raise ProviderMisconfigured("unknown_credentials")
    if status == 429:
        raise ProviderUnavailable("rate_limit")
    if status == 409:  # an earlier call under the same key is still at work
        raise ProviderUnavailable("in_progress")
    if status >= 500:
        raise ProviderUnavailable("server_error")
    content = _json(answer.body)
    if isinstance(content, Mapping) and 200 <= status < 300:
        return content
    if not isinstance(content, Mapping) or status < 400 or not ("name" in content or "error" in content):
        raise ProviderUnavailable("unreadable")
    details = content.get("details")
    issue = details[0].get("issue") if isinstance(details, list) and details and isinstance(details[0], Mapping) else None
    kind = _NotFound if status == 404 else ProviderRefused
    raise kind(wire.short_code(issue, content.get("name"), content.get("error")))


@wire.reader
def _json(body: bytes) -> Any:
    return json.loads(body)


@wire.reader
def _granted(answer: Mapping[str, Any]) -> tuple[str, int]:
    """The access token, and for how many seconds it is good."""
    if not wire.is_key(answer["access_token"]):
        raise ValueError("No token.")
    return answer["access_token"], int(answer["expires_in"])


@wire.reader
def _charge(order: Mapping[str, Any], reference: str = "") -> Charge:
    (unit,) = order["purchase_units"]
    amount, currency = _cents(unit["amount"])
    payments = unit.get("payments") or {}
    captures = sorted(payments.get("captures") or (), key=lambda capture: list(CAPTURE_STATES).index(capture["status"]))
    taken = [capture for capture in captures if CAPTURE_STATES[capture["status"]] is ChargeState.SUCCEEDED]
    given = [refund for refund in payments.get("refunds") or () if REFUND_STATES[refund["status"]] is not RefundState.FAILED]
    if any(_cents(part["amount"])[1] != currency for part in (*taken, *given)):
        raise ValueError("Several currencies.")
    best = captures[-1] if captures else None
    state = CAPTURE_STATES[best["status"]] if best else ORDER_STATES[order["status"]]
    links = {link["rel"]: link["href"] for link in order.get("links") or ()}
    return Charge(
        reference=_same(order["id"], reference),
        state=state,
        amount_cents=amount,
        captured_cents=sum(_cents(capture["amount"])[0] for capture in taken),
        currency=currency,
        refunded_cents=sum(_cents(refund["amount"])[0] for refund in given),
        payee=str((unit.get("payee") or {}).get("merchant_id") or ""),
        metadata=dict(parse_qsl(unit.get("custom_id") or "")),
        capture_reference=_text(best["id"]) if best else "",
        approve_url=str(links.get("payer-action") or links.get("approve") or ""),
        failure=_reason(best) if best and state is ChargeState.FAILED else "",
    )


@wire.reader
def _refund(refund: Mapping[str, Any], reference: str = "") -> RefundAnswer:
    cents, currency = _cents(refund["amount"])
    state = REFUND_STATES[refund["status"]]
    return RefundAnswer(
        reference=_same(refund["id"], reference),
        state=state,
        amount_cents=cents,
        currency=currency,
        charge_reference=_up(refund, "captures"),
        metadata=dict(parse_qsl(refund.get("custom_id") or "")),
        failure=_reason(refund) if state is RefundState.FAILED else "",
    )


@wire.reader
def _dispute(dispute: Mapping[str, Any], reference: str) -> DisputeAnswer:
    cents, currency = _cents(dispute["dispute_amount"])
    open_ = dispute["status"] in OPEN_DISPUTE
    return DisputeAnswer(
        reference=_same(dispute["dispute_id"], reference),
        state=DisputeState.OPEN if open_ else DISPUTE_OUTCOMES[dispute["dispute_outcome"]["outcome_code"]],
        amount_cents=cents,
        currency=currency,
        charge_reference=_text(dispute["disputed_transactions"][0]["seller_transaction_id"]),
        reason=wire.short_code(dispute.get("reason"), "OTHER"),
    )


def _event(body: bytes) -> Mapping[str, Any]:
    """The body as one JSON object, strictly read: not a number that JSON does not know, nothing before or after."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    event = json.loads(body.decode(), parse_constant=refuse)
    if not isinstance(event, Mapping):
        raise TypeError("No object.")
    return event


def _inbound(event: Mapping[str, Any]) -> Inbound:
    about, type = event["resource"], _text(event["event_type"])
    if not wire.EVENT_TYPE.fullmatch(type):
        raise ValueError("A type that is none.")
    subject, reference = Subject.OTHER, ""
    if type.startswith("CHECKOUT.ORDER."):
        subject, reference = Subject.CHARGE, about["id"]
    elif type.startswith("CUSTOMER.DISPUTE."):
        subject, reference = Subject.DISPUTE, about["dispute_id"]
    elif type in ("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED") or type.startswith("PAYMENT.REFUND."):
        subject, reference = Subject.REFUND, about["id"]
    elif type.startswith("PAYMENT.CAPTURE."):
        related = (about.get("supplementary_data") or {}).get("related_ids") or {}
        reference = related.get("order_id") or _up(about, "orders")
        subject = Subject.CHARGE if reference else Subject.OTHER
    if subject is not Subject.OTHER and not wire.REFERENCE.fullmatch(reference):
        raise ValueError("An id that is none.")
    if not wire.REFERENCE.fullmatch(event["id"]):
        raise ValueError("An id that is none.")
    return Inbound(event["id"], type, subject, reference, datetime.fromisoformat(event["create_time"]))


def _up(found: Mapping[str, Any], kind: str) -> str:
    """The id of what this belongs to, from its link 'up'; '' when that is something else."""
    up = next((link["href"] for link in found.get("links") or () if link["rel"] == "up"), "")
    named = re.search(rf"/{kind}/([A-Za-z0-9_-]+)$", up)
    return named[1] if named else ""


def _amount(cents: int, currency: str) -> dict[str, str]:
    return {"currency_code": currency, "value": currencies.to_paypal(cents, currency)}


def _cents(amount: Mapping[str, Any]) -> tuple[int, str]:
    currency = _text(amount["currency_code"])
    return currencies.from_paypal(_text(amount["value"]), currency), currency


def _same(found: object, reference: str) -> str:
    """The id of the object that was asked for."""
    if not isinstance(found, str) or found != (reference or found):
        raise ValueError("Another object.")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("No text.")
    return value


def _reason(found: Mapping[str, Any]) -> str:
    return wire.short_code((found.get("status_details") or {}).get("reason"), found["status"])
