"""Payments at a provider: begin one, ask about it, take it, stop it.

Everything here runs outside transactions. It reads in one short transaction, calls, and writes what the answer means in another;
between the two anything may die. So every step can be taken again: what creates something does it under the payment's key, what is
asked is asked by its reference, and ``settle_payment`` may be told the same any number of times.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from apps.core.db import outside_transactions
from apps.core.errors import NotFound
from apps.core.events import NOBODY, acting, current_actor
from apps.core.tenancy import account_scope
from apps.core.vault import VaultClosed
from apps.payments.adapters.base import Charge, ChargeState, Intent, ProviderRefused, ProviderUnavailable
from apps.payments.errors import ProviderOff
from apps.payments.models import OPEN, PROVIDERS, Payment
from apps.payments.services.providers import Connection, connection_of
from apps.payments.services.refunds import accept_refunds
from apps.payments.services.settling import (
    accept_amount,
    is_over,
    lapse_payment,
    note_silence,
    plan_check,
    refuse_payment,
    settle_payment,
    stop_holding,
    wait_longer,
)

Status = Payment.Status
REFUSED = (ProviderRefused, ProviderOff, VaultClosed)
"""The provider says no, or we have nothing to call it with."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What the client's browser needs to pay: ``client_secret`` and ``publishable_key`` (Stripe) or ``approve_url`` (PayPal).

    ``failure`` says why it cannot: the provider's code, ``provider_unavailable`` when it gave no answer (it is asked again by itself),
    or what the payment has become in the meantime. All empty: it is paid, or nothing has to be done in a browser.
    """

    client_secret: str = ""
    approve_url: str = ""
    publishable_key: str = ""
    failure: str = ""


def begin_payment(account_id: int, payment_id: int, *, return_url: str = "") -> Begun:
    """Tell the provider about a payment, or find the one that it was told about; ``return_url`` is where the browser comes back to.

    Repeatable. Without an answer the payment is ``unknown`` and asked about later; one that is refused has ``failed``. Raises NotFound.
    """
    with outside_transactions():
        at = timezone.now()
        payment = _read(account_id, payment_id)
        if payment.method not in PROVIDERS or payment.status not in OPEN:
            return Begun(failure=_why_over(payment))
        try:
            link = _connect(payment)
            charge = _find_or_begin(link, payment, return_url)
        except ProviderUnavailable:
            silent(payment, at)
            return Begun(failure="provider_unavailable")
        except REFUSED as refusal:
            if payment.provider_ref:  # it was begun: that it cannot be read now says nothing about it
                silent(payment, at)
                return Begun(failure="provider_unavailable")
            with _writing(account_id):
                refuse_payment(payment, code=refusal.code, at=at)
            return Begun(failure=refusal.code)
        payment = _settle(payment, charge, link, at)
        if payment.review or payment.status not in OPEN:
            return Begun(failure=payment.review or _why_over(payment))
        return Begun(charge.client_secret, charge.approve_url, str(link.public.get("publishable_key", "")))


def recheck_payment(account_id: int, payment_id: int, *, at: datetime | None = None) -> str:
    """Ask the provider how a payment stands and do what follows; returns its status. Repeatable, and harmless at any moment.

    A payment that the provider has not heard of is begun; one that the client has approved is taken; one that nobody waits for any
    longer is stopped at the provider, except that one still processing gets more time once. Raises NotFound.
    """
    with outside_transactions():
        at = at or timezone.now()
        payment = _read(account_id, payment_id)
        if payment.status == Status.SUCCEEDED or (payment.status not in OPEN and not payment.provider_ref):
            return payment.status
        if payment.status not in OPEN:  # money that came when nobody waited, and nobody told us
            return _attempt(payment, at, lambda link: _settle(payment, link.adapter.fetch(payment.provider_ref), link, at))
        if payment.method not in PROVIDERS or (not payment.provider_ref and is_over(payment, at)):
            # Nobody has ever got what it takes to pay it, so no money can come.
            with _writing(account_id):
                return (lapse_payment(payment, at=at) if is_over(payment, at) else payment).status
        return _attempt(payment, at, lambda link: _ask(link, payment, at))


def accept_payment(account_id: int, payment_id: int, *, at: datetime | None = None) -> str:
    """Staff have looked at a payment that was put aside, and it is right. Money of another amount settles it; what was refunded at the
    provider is written down as a refund; whatever else was said of a payment that came in is closed. The provider is asked once more.

    Raises NotFound, InvalidTransition, AmountMismatch, and ProviderUnavailable or ProviderRefused when it cannot be asked.
    """
    with outside_transactions():
        at = at or timezone.now()
        payment = _read(account_id, payment_id)
        if not payment.review or not payment.provider_ref:
            return payment.status
        link = _connect(payment)
        charge = link.adapter.fetch(payment.provider_ref)
        with _writing(account_id):
            if payment.status == Status.SUCCEEDED:
                return accept_refunds(payment, refunded_cents=charge.refunded_cents, at=at).status
            return accept_amount(payment, charge=charge, payee=payee_of(link), at=at).status


def silent(payment: Payment, at: datetime) -> str:
    """The provider gave no answer about this payment."""
    with _writing(payment.account_id):
        return note_silence(payment, at=at).status


# -- calling


def _ask(link: Connection, payment: Payment, at: datetime) -> Payment:
    """One look at the provider, and what follows from it."""
    charge = _find_or_begin(link, payment, "")
    over = is_over(payment, at)
    if charge.state == ChargeState.APPROVED and not over:
        charge = _capture(link, payment, charge)
    payment = _settle(payment, charge, link, at)
    if payment.status not in OPEN or payment.review:
        return payment
    if charge.state == ChargeState.PROCESSING and not payment.extended:
        with _writing(payment.account_id):
            return wait_longer(payment, at=at)
    if not over:
        return payment
    payment = _settle(payment, link.adapter.cancel(payment.provider_ref), link, at)
    if payment.status in OPEN and not payment.review:
        with _writing(payment.account_id):
            return stop_holding(payment, at=at)
    return payment


def _attempt(payment: Payment, at: datetime, call: Callable[[Connection], Payment]) -> str:
    """``call`` with a connection; no answer, and a refusal to say anything about a payment that was begun, is asked again later."""
    try:
        return call(_connect(payment)).status
    except ProviderUnavailable:
        return silent(payment, at)
    except REFUSED as refusal:
        if payment.provider_ref:
            return silent(payment, at)
        with _writing(payment.account_id):
            return refuse_payment(payment, code=refusal.code, at=at).status


def _connect(payment: Payment) -> Connection:
    """A provider that was switched off is still asked about what was begun with it."""
    return connection_of(payment.account_id, payment.method, even_inactive=bool(payment.provider_ref))


def _find_or_begin(link: Connection, payment: Payment, return_url: str) -> Charge:
    if payment.provider_ref:
        return link.adapter.fetch(payment.provider_ref)
    # The same words every time: a provider refuses a key that comes back with others.
    intent = Intent(
        key=payment.key,
        amount_cents=payment.amount_cents,
        currency=payment.currency,
        description=f"Order {payment.order.number}",
        metadata={"account": str(payment.account_id), "order": str(payment.order_id), "payment": str(payment.pk)},
        return_url=return_url,
        cancel_url=return_url,
    )
    return link.adapter.begin(intent)


def _capture(link: Connection, payment: Payment, approved: Charge) -> Charge:
    """Take approved money. When the client's bank refuses, the client may try again on the provider's page."""
    try:
        return link.adapter.capture(approved.reference, key=f"{payment.key}-capture")
    except ProviderRefused as refusal:
        charge = link.adapter.fetch(approved.reference)
        return charge if charge.failure else replace(charge, failure=refusal.code)


def payee_of(link: Connection) -> str:
    """Who has to get the money; only PayPal says in its answers who does."""
    return str(link.public.get("merchant_id", ""))


# -- reading and writing


def _read(account_id: int, payment_id: int) -> Payment:
    with account_scope(account_id):
        payment = Payment.objects.select_related("order").filter(pk=payment_id).first()
    if payment is None:
        raise NotFound
    return payment


@contextmanager
def _writing(account_id: int) -> Iterator[None]:
    """A short transaction in the account's scope, on behalf of whoever is acting, or of the provider."""
    who = current_actor()
    with account_scope(account_id), acting(who.actor_id, who.source if who != NOBODY else "provider"):
        yield


def _settle(payment: Payment, charge: Charge, link: Connection, at: datetime) -> Payment:
    with _writing(payment.account_id):
        payment = settle_payment(payment, charge=charge, payee=payee_of(link), at=at)
        plan_check(payment, at=at)
        return payment


def _why_over(payment: Payment) -> str:
    if payment.status == Status.FAILED:
        return payment.failure or Status.FAILED
    return Status.CANCELLED if payment.status == Status.CANCELLED else ""
