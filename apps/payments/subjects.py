"""What the books know of a person. Money rows and frozen documents stay for the law; free texts and what providers wrote go."""

from collections.abc import Iterable

from django.db.models import F, Q

from apps.core.subjects import ERASED, Done, Subject, blank_rows, blanked, erased_by, kept, obstructs, told, told_by
from apps.orders.models import Order
from apps.orders.subjects import LAW
from apps.payments.models import (
    OPEN,
    CouponUse,
    Dispute,
    GiftCode,
    Instalment,
    Invoice,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    PointsEntry,
    ProviderEvent,
    ReferralReward,
    Refund,
    WalletBalance,
    WalletLot,
    WalletTransaction,
)

NOT_SETTLED = (Order.PaymentStatus.UNPAID, Order.PaymentStatus.PART_PAID, Order.PaymentStatus.OVERPAID)


def owed(subject: Subject) -> Iterable[int]:
    """Orders whose money is not settled, in either direction."""
    mine = Order.objects.filter(Q(client__in=subject.ids) | Q(payer__in=subject.ids), payment_status__in=NOT_SETTLED)
    open_ones = mine.exclude(status=Order.Status.CANCELLED, payment_status=Order.PaymentStatus.UNPAID, paid_cents=F("refunded_cents"))
    return open_ones.exclude(total_amount_cents=F("paid_cents") - F("refunded_cents")).values_list("pk", flat=True)


def on_its_way(subject: Subject) -> Iterable[int]:
    """Payments that have not ended."""
    return Payment.objects.filter(client__in=subject.ids, status__in=OPEN).values_list("pk", flat=True)


def going_back(subject: Subject) -> Iterable[int]:
    """Refunds that have not arrived."""
    ended = (Refund.Status.SUCCEEDED, Refund.Status.FAILED, Refund.Status.CANCELLED)
    return Refund.objects.filter(client__in=subject.ids).exclude(status__in=ended).values_list("pk", flat=True)


def disputed(subject: Subject) -> Iterable[int]:
    """Disputes that nobody has decided."""
    return Dispute.objects.filter(client__in=subject.ids, status=Dispute.Status.OPEN).values_list("pk", flat=True)


def credit_left(subject: Subject) -> Iterable[int]:
    """Credit that could still be spent."""
    return WalletBalance.objects.filter(client__in=subject.ids, balance_cents__gt=0).values_list("pk", flat=True)


def forget_what_providers_wrote(subject: Subject, done: Done) -> None:
    """Their words about a payment hold names and addresses; what followed from them is in our own rows."""
    theirs = ProviderEvent.objects.filter(payment__client__in=subject.ids)
    done.add(done.blanked, ProviderEvent._meta.db_table, blank_rows(theirs, {"body": "{}", "note": ERASED}))


def invoices(subject: Subject) -> Iterable[dict[str, object]]:
    """Their documents, as they were issued."""
    return Invoice.objects.filter(client__in=subject.ids).order_by("pk").values("id", "number", "kind", "issued_at", "document")


obstructs("open_balance", owed)
obstructs("open_payment", on_its_way)
obstructs("open_refund", going_back)
obstructs("open_dispute", disputed)
obstructs("credit_left", credit_left)
kept(Payment, "client", because=LAW)
kept(Instalment, "client", because=LAW)
kept(Dispute, "client", because=LAW)
kept(Invoice, "client", because="invoices and credit notes are kept as they were issued until the retention period ends")
kept(LedgerTransaction, "client", because=LAW)
kept(LedgerEntry, "client", because=LAW)
kept(WalletBalance, "client", because=LAW)
kept(GiftCode, "client", because=LAW)
kept(CouponUse, "client", because=LAW)
kept(ReferralReward, "referrer", "referee", because=LAW)
for model in (Refund, WalletLot, WalletTransaction, PointsEntry):
    blanked(model, "client", reason=ERASED)
erased_by(forget_what_providers_wrote)

told("payments", Payment, "client", leave=("review",))
told("refunds", Refund, "client")
told_by("invoices", invoices)
told("wallet", WalletTransaction, "client")
told("points", PointsEntry, "client")
told("referrals", ReferralReward, "referrer")
