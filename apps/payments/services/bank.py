"""Bank statements: which transfer is which payment.

A file is imported in two steps. All its lines are written first, in one transaction; then each line that names a payment is settled in
a transaction of its own, because settling takes the locks of an order and its practitioner, and hundreds of those held together would
stand in everybody's way. Both steps can be repeated: a line is known by its fingerprint, so an import that was cut off is finished by
importing the file again, and nothing counts twice. Locks: bank line, then as ``mark_received`` says.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from django.db import transaction
from django.utils import timezone

from apps.core.db import joined
from apps.core.errors import DomainError, InvalidTransition
from apps.core.events import emit
from apps.core.tenancy import account_scope, current_account_id
from apps.payments.errors import AmountMismatch
from apps.payments.models import BankLine, Payment
from apps.payments.services.settling import mark_received
from apps.payments.statements import MAX_TEXT, Row

Status = BankLine.Status
BATCH = 5000
MAX_PARTS = 8
"""Into how many pieces a reference may be torn in the text (``INV 2026 000 12``)."""
PIECES = re.compile(r"[A-Z0-9]+")
TORN = re.compile(r"[\s\-–—_/]*")


@dataclass(frozen=True, slots=True)
class Expected:
    """A bank transfer that lines may be about. ``is_taken``: a line has been matched with it already."""

    payment_id: int
    reference: str
    amount_cents: int
    currency: str
    is_taken: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a line is, with the payment it is about (for a mismatch: the one it names)."""

    status: str
    payment_id: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A line of a file and what it is, or was found to be when it was imported before (``is_known``)."""

    row: Row
    verdict: Verdict
    is_known: bool
    named: tuple[int, ...]


def examine(rows: Sequence[Row]) -> list[Found]:
    """What an import of these lines would do, in their order; writes nothing."""
    expected = _expected()
    known = {
        fingerprint: Verdict(status, payment_id, note)
        for fingerprint, status, payment_id, note in BankLine.objects.filter(fingerprint__in=[row.fingerprint for row in rows]).values_list(
            "fingerprint", "status", "payment_id", "note"
        )
    }
    found: list[Found] = []
    taken: set[int] = set()
    for row in rows:
        named = _named_in(row.text, expected)
        before = known.get(row.fingerprint)
        so_far = [replace(one, is_taken=one.is_taken or one.payment_id in taken) for one in named]
        verdict = judge(so_far, amount_cents=row.amount_cents, currency=row.currency)
        if verdict.status == Status.MATCHED and verdict.payment_id is not None:
            taken.add(verdict.payment_id)
        found.append(Found(row, before or verdict, before is not None, tuple(one.payment_id for one in named)))
    return found


def judge(named: Sequence[Expected], *, amount_cents: int, currency: str) -> Verdict:
    """What a line of this amount is that names these payments. Money going out is never ours to match."""
    if amount_cents <= 0:
        return Verdict(Status.IGNORED)
    fitting = [one for one in named if (one.amount_cents, one.currency) == (amount_cents, currency)]
    free = [one for one in fitting if not one.is_taken]
    if len(free) == 1:
        return Verdict(Status.MATCHED, free[0].payment_id)
    if free:
        return Verdict(Status.UNMATCHED, note=_note("Several payments fit", free))
    if fitting:
        return Verdict(Status.UNMATCHED, note=_note("Another transfer was matched already", fitting))
    if len(named) == 1:
        return Verdict(Status.MISMATCH, named[0].payment_id, note=_note("Another amount is expected", named))
    return Verdict(Status.UNMATCHED, note=_note("Several payments are named, none of this amount", named) if named else "")


def _note(what: str, about: Sequence[Expected]) -> str:
    return f"{what}: {', '.join(one.reference for one in about)}"[:255]


@joined
def store_lines(found: Sequence[Found]) -> dict[int, list[int]]:
    """Write the lines that are not known yet; {line: payments it names} of those that are to be settled.

    A line that was left unmatched before is judged again: its payment may be expected by now.
    """
    account_id = cast(int, current_account_id())
    BankLine.objects.bulk_create(
        [
            BankLine(
                account_id=account_id,
                booked_on=one.row.booked_on,
                amount_cents=one.row.amount_cents,
                currency=one.row.currency,
                text=one.row.text[:MAX_TEXT],
                fingerprint=one.row.fingerprint,
                status=Status.IGNORED if one.row.amount_cents <= 0 else Status.UNMATCHED,
            )
            for one in found
            if not one.is_known
        ],
        ignore_conflicts=True,  # another import of the same file was faster
        batch_size=BATCH,
    )
    named = {one.row.fingerprint: list(one.named) for one in found if one.named}
    left = BankLine.objects.filter(fingerprint__in=list(named), status=Status.UNMATCHED).order_by("pk")
    return {pk: named[fingerprint] for pk, fingerprint in left.values_list("pk", "fingerprint")}


def settle_lines(account_id: int, *, lines: Iterable[tuple[int, list[int]]], at: datetime | None = None) -> None:
    """Settle each of these lines in a transaction of its own (outside of any other)."""
    for line_id, payment_ids in lines:
        with account_scope(account_id), transaction.atomic():
            settle_line(line_id, payment_ids=payment_ids, at=at)


@joined
def settle_line(line_id: int, *, payment_ids: Sequence[int], at: datetime | None = None) -> BankLine:
    """Judge an unmatched line by the payments it names, and take in the money of the one that fits.

    What refuses the payment stands in the line's note, and the line stays unmatched.
    """
    line = BankLine.objects.select_for_update(no_key=True).get(pk=line_id)
    if line.status != Status.UNMATCHED:
        return line
    verdict = judge(_expected(payment_ids).among(), amount_cents=line.amount_cents, currency=line.currency)
    if verdict.status == Status.MATCHED and verdict.payment_id is not None:
        try:
            with transaction.atomic():
                return _take(line, verdict.payment_id, at or timezone.now())
        except DomainError as refusal:
            verdict = Verdict(Status.UNMATCHED, note=refusal.message[:255])
    if (line.status, line.payment_id, line.note) != (verdict.status, verdict.payment_id, verdict.note):
        line.status, line.payment_id, line.note = verdict.status, verdict.payment_id, verdict.note
        line.save(update_fields=["status", "payment", "note", "updated_at"])
    return line


@joined
def match_line(line: BankLine, *, payment: Payment, at: datetime | None = None) -> BankLine:
    """Staff say which payment a line is. Raises InvalidTransition (matched already, or money going out), AmountMismatch."""
    line = BankLine.objects.select_for_update(no_key=True).get(pk=line.pk)
    if line.status == Status.MATCHED or line.amount_cents <= 0:
        actions = allowed_actions(line.status, line.amount_cents)
        raise InvalidTransition("This line is matched already, or no money that came in.", allowed_actions=actions)
    if (payment.amount_cents, payment.currency) != (line.amount_cents, line.currency):
        raise AmountMismatch(
            expected_cents=payment.amount_cents,
            expected_currency=payment.currency,
            received_cents=line.amount_cents,
            received_currency=line.currency,
        )
    return _take(line, payment.pk, at or timezone.now())


@joined
def ignore_line(line: BankLine, *, reason: str) -> BankLine:
    """Staff say that a line is about no payment of ours. Raises InvalidTransition for a line that is matched."""
    line = BankLine.objects.select_for_update(no_key=True).get(pk=line.pk)
    if line.status not in (Status.UNMATCHED, Status.MISMATCH):
        actions = allowed_actions(line.status, line.amount_cents)
        raise InvalidTransition("This line is matched or ignored already.", allowed_actions=actions)
    before, line.status, line.note = line.status, Status.IGNORED, reason[:255]
    line.save(update_fields=["status", "note", "updated_at"])
    emit("bank_line.ignored", line, changes={"status": [before, line.status]})
    return line


def allowed_actions(status: str, amount_cents: int) -> list[str]:
    """What staff may do with a line of this status and amount."""
    if status == Status.MATCHED or amount_cents <= 0:
        return []
    return ["match"] if status == Status.IGNORED else ["match", "ignore"]


def _take(line: BankLine, payment_id: int, at: datetime) -> BankLine:
    """The line (locked) is this payment: take the money in, unless it was marked as received by hand before."""
    payment = Payment.objects.get(pk=payment_id)
    note = ""
    if payment.method != Payment.Method.BANK_TRANSFER:
        raise InvalidTransition("This payment is no bank transfer.", allowed_actions=[])
    if payment.status == Payment.Status.SUCCEEDED:
        payment = Payment.objects.select_for_update(no_key=True).get(pk=payment_id)
        note = "Was marked as received before."
    else:
        payment = mark_received(payment, at=at)
    if BankLine.objects.filter(payment=payment, status=Status.MATCHED).exists():
        raise InvalidTransition("Another transfer was matched with this payment already.", allowed_actions=[])
    before, line.status, line.payment, line.note = line.status, Status.MATCHED, payment, note
    line.save(update_fields=["status", "payment", "note", "updated_at"])
    emit("bank_line.matched", line, changes={"status": [before, line.status], "payment": [None, payment.pk]})
    return line


# -- references in texts


class _Known(dict[str, list[Expected]]):
    """Expected transfers by their reference, in capitals and without what lies between its letters and digits."""

    def among(self) -> list[Expected]:
        return [one for ones in self.values() for one in ones]


def _expected(payment_ids: Sequence[int] | None = None) -> _Known:
    """The bank transfers of the account, or those of these ids."""
    payments = Payment.objects.filter(method=Payment.Method.BANK_TRANSFER).exclude(reference="").order_by("pk")
    lines = BankLine.objects.filter(status=Status.MATCHED, payment__isnull=False)
    if payment_ids is not None:
        payments, lines = payments.filter(pk__in=payment_ids), lines.filter(payment__in=payment_ids)
    taken = set(lines.values_list("payment_id", flat=True))
    known: dict[str, list[Expected]] = defaultdict(list)
    for pk, reference, cents, currency in payments.values_list("pk", "reference", "amount_cents", "currency"):
        known["".join(PIECES.findall(reference.upper()))].append(Expected(pk, reference, cents, currency, pk in taken))
    return _Known(known)


def _named_in(text: str, expected: _Known) -> list[Expected]:
    """The payments whose reference stands in a text, as whole words: 000012 is not in 0000123, and 000012 is not meant by 000012-2.

    Case, spaces and dashes do not count, so pieces that only those separate are put together; the longest reference wins.
    """
    upper = text.upper()
    pieces = list(PIECES.finditer(upper))
    hits: list[tuple[int, int, str]] = []
    for first, piece in enumerate(pieces):
        joined_pieces = piece[0]
        for last in range(first, min(first + MAX_PARTS, len(pieces))):
            if last > first:
                if not TORN.fullmatch(upper, pieces[last - 1].end(), pieces[last].start()):
                    break
                joined_pieces += pieces[last][0]
            if joined_pieces in expected:
                hits.append((first, last, joined_pieces))
    longest = [hit for hit in hits if not any(o != hit and o[0] <= hit[0] and hit[1] <= o[1] for o in hits)]
    return [one for name in dict.fromkeys(name for _, _, name in longest) for one in expected[name]]


__all__ = ["Found", "allowed_actions", "examine", "ignore_line", "match_line", "settle_line", "settle_lines", "store_lines"]
