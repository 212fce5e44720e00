"""What providers tell us: proven, stored once, and then believed in nothing but that something has changed.

An event only says which object to look at. The object is read again with our own credentials, and settling compares every word of it
with what we asked for. So order, repetition and content of events do not matter.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.core import jobs
from apps.core.db import outside_transactions
from apps.core.errors import InvalidTransition, NotFound
from apps.core.events import NOBODY, acting, current_actor
from apps.core.tenancy import account_scope
from apps.core.vault import VaultClosed
from apps.payments.adapters.base import (
    Charge,
    ChargeState,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    RefundAnswer,
    RefundState,
    SignatureInvalid,
    Subject,
)
from apps.payments.errors import ProviderDown, ProviderOff, SignatureRefused
from apps.payments.models import OPEN, Payment, ProviderEvent, Refund
from apps.payments.services.disputes import settle_dispute
from apps.payments.services.online import payee_of, recheck_payment
from apps.payments.services.providers import Connection, connection_of
from apps.payments.services.refunds import settle_refund
from apps.payments.services.settling import plan_check, put_aside, settle_payment

logger = logging.getLogger(__name__)

Status = ProviderEvent.Status
LEFT = (Status.RECEIVED, Status.FAILED)
PAUSES = ((3, timedelta(minutes=2)), (10, timedelta(minutes=30)), (20, timedelta(days=1)))
"""(up to how many attempts, how long after the last one); what has failed for the 20th time waits for staff."""

STORE = """
    INSERT INTO payments_providerevent
      (account_id, provider, event_id, type, subject, reference, body, status, note, attempts, created_at, updated_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, 'received', '', 0, %s, %s) ON CONFLICT (account_id, provider, event_id) DO NOTHING RETURNING id
"""


def receive_event(
    account_id: int, provider: str, *, headers: Mapping[str, str], body: bytes, at: datetime | None = None
) -> tuple[int | None, bool]:
    """Keep an event that is proven to come from the provider, and queue its processing in the same transaction; (its id, is it new).

    Nothing is stored of one that is not. Raises ProviderOff, SignatureRefused, and ProviderDown when it cannot be proven now.
    """
    with outside_transactions():
        at = at or timezone.now()
        link = connection_of(account_id, provider)
        try:
            inbound = link.adapter.verify(headers=headers, body=body, at=at)
        except SignatureInvalid:
            raise SignatureRefused from None
        except (ProviderUnavailable, ProviderMisconfigured) as error:
            raise ProviderDown from error
        words = [inbound.event_id, inbound.type[:100], inbound.subject.value, inbound.reference, body.decode(errors="replace")]
        with account_scope(account_id):
            with connection.cursor() as cursor:
                cursor.execute(STORE, [account_id, provider, *words, at, at])
                stored = cursor.fetchone()
            if stored is None:
                return None, False
            jobs.defer_once(process_inbound, f"payments.event.{stored[0]}", account_id=account_id, event_id=stored[0])
            return stored[0], True


def left_events(at: datetime) -> QuerySet[ProviderEvent]:
    """Events that are not done with: new ones whose job was lost, and failed ones, at growing distances."""
    waited = Q()
    for attempts, pause in PAUSES:
        waited |= Q(attempts__lt=attempts, updated_at__lte=at - pause)
    return ProviderEvent.objects.filter(waited, status__in=LEFT)


@jobs.task(name="payments.process_event", queue="money")
def process_inbound(account_id: int, event_id: int) -> str:
    """Process an event; one that fails is found again by the minute's look around."""
    return process_event(account_id, event_id)


def process_event(account_id: int, event_id: int, *, again: bool = False, at: datetime | None = None) -> str:
    """Read what an event is about again and settle it; returns what has become of the event. Call outside transactions.

    One that is done with is left alone unless ``again``, which changes nothing either when nothing has changed since. Raises NotFound.
    """
    with outside_transactions():
        at = at or timezone.now()
        with account_scope(account_id):
            event = ProviderEvent.objects.filter(pk=event_id).first()
        if event is None:
            raise NotFound
        if event.status not in LEFT and not again:
            return event.status
        try:
            link = connection_of(account_id, event.provider, even_inactive=True)
            return _process(event, link, at)
        except ProviderRefused as refusal:
            if isinstance(refusal, ProviderMisconfigured):
                return _failed(event, refusal.code)
            return _note(event, Status.IGNORED, refusal.code, at)  # the provider knows no such thing
        except (ProviderError, ProviderOff, VaultClosed, InvalidTransition) as error:
            return _failed(event, error.code)
        except Exception as error:
            logger.exception("event %s could not be processed", event_id)
            _failed(event, type(error).__name__)
            raise


def says_something(event: ProviderEvent) -> bool:
    """Whether an event is about an object that can be read again."""
    return event.subject in (Subject.CHARGE, Subject.REFUND, Subject.DISPUTE)


def ignore_event(event: ProviderEvent, *, at: datetime | None = None) -> str:
    """Nothing is to be done about this event."""
    return _note(event, Status.IGNORED, "other", at or timezone.now())


def _process(event: ProviderEvent, link: Connection, at: datetime) -> str:
    match event.subject:
        case Subject.CHARGE:
            return _about_charge(event, link, link.adapter.fetch(event.reference), at)
        case Subject.REFUND:
            return _about_refund(event, link.adapter.fetch_refund(event.reference), at)
        case Subject.DISPUTE:
            return _about_dispute(event, link, at)
    return ignore_event(event, at=at)


def _about_charge(event: ProviderEvent, link: Connection, charge: Charge, at: datetime) -> str:
    with account_scope(event.account_id):
        payment = _payment_of(event.provider, charge)
    if payment is None:
        return _note(event, Status.IGNORED, "unknown_payment", at)
    if charge.state == ChargeState.APPROVED and payment.status in OPEN:
        recheck_payment(event.account_id, payment.pk, at=at)  # it takes the money
        charge = link.adapter.fetch(event.reference)
    with _writing(event):
        payment = settle_payment(payment, charge=charge, payee=payee_of(link), at=at)
        plan_check(payment, at=at)
        return _done(event, payment, at)


def _payment_of(provider: str, charge: Charge) -> Payment | None:
    """The payment that a charge is for, by its reference, or by the id that we gave it: its event may be faster than its answer."""
    mine = Payment.objects.filter(method=provider)
    found = mine.filter(provider_ref=charge.reference).first()
    named = charge.metadata.get("payment", "")
    if found is None and named.isascii() and named.isdigit() and len(named) < 19:
        found = mine.filter(pk=int(named)).first()
    return found


def _about_refund(event: ProviderEvent, answer: RefundAnswer, at: datetime) -> str:
    with _writing(event):
        mine = Refund.objects.filter(method=event.provider)
        refund = mine.filter(provider_ref=answer.reference).first()
        named = answer.metadata.get("refund", "")
        if refund is None and named.isascii() and named.isdigit() and len(named) < 19:
            refund = mine.filter(pk=int(named)).first()
        if refund is not None:
            refund = settle_refund(refund, answer=answer, at=at)
            aside = refund.failure if refund.status not in (Refund.Status.FAILED, Refund.Status.CANCELLED) else ""
            return _note(event, Status.QUARANTINED if aside else Status.PROCESSED, aside, at, payment_id=refund.payment_id)
        payment = _paid_by(event.provider, answer.charge_reference)
        if payment is None or answer.state == RefundState.FAILED:
            return _note(event, Status.IGNORED, "unknown_refund", at)
        payment = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        return _done(event, put_aside(payment, "refunded_elsewhere"), at)


def _about_dispute(event: ProviderEvent, link: Connection, at: datetime) -> str:
    answer = link.adapter.fetch_dispute(event.reference)
    with account_scope(event.account_id):
        payment = _paid_by(event.provider, answer.charge_reference)
    if payment is None:
        return _note(event, Status.IGNORED, "unknown_payment", at)
    recheck_payment(event.account_id, payment.pk, at=at)  # who disputes a payment has made it
    with _writing(event):
        settle_dispute(provider=event.provider, answer=answer, at=at)
        return _done(event, Payment.objects.get(pk=payment.pk), at)


def _paid_by(provider: str, reference: str) -> Payment | None:
    mine = Payment.objects.filter(Q(provider_ref=reference) | Q(capture_ref=reference), method=provider)
    return mine.first() if reference else None


# -- what became of it


@contextmanager
def _writing(event: ProviderEvent) -> Iterator[None]:
    """The effect and what became of the event, in one transaction, on behalf of whoever is acting, or of the provider."""
    who = current_actor()
    with account_scope(event.account_id), acting(who.actor_id, who.source if who != NOBODY else "provider"):
        yield


def _done(event: ProviderEvent, payment: Payment, at: datetime) -> str:
    status = Status.QUARANTINED if payment.review else Status.PROCESSED
    return _note(event, status, payment.review, at, payment_id=payment.pk)


def _note(event: ProviderEvent, status: str, note: str, at: datetime, *, payment_id: int | None = None) -> str:
    with account_scope(event.account_id):
        ProviderEvent.objects.filter(pk=event.pk).update(
            status=status,
            note=note[:255],
            attempts=F("attempts") + 1,
            processed_at=at,
            updated_at=timezone.now(),
            payment_id=payment_id or event.payment_id,
        )
    return status


def _failed(event: ProviderEvent, note: str) -> str:
    """Try again later; what was done before stays done."""
    with account_scope(event.account_id):
        ProviderEvent.objects.filter(pk=event.pk).update(
            status=Status.FAILED, note=note[:255], attempts=F("attempts") + 1, updated_at=timezone.now()
        )
    logger.warning("event %s of %s is processed later: %s", event.pk, event.provider, note)
    return Status.FAILED
