"""Every kind of change that people hear of, made by the services themselves: who hears what, and that each message can be said."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine

from apps.bookings.models import Side
from apps.bookings.occurrences import occurrences
from apps.bookings.services.documents import add_document, update_document
from apps.bookings.services.endings import cancel_booking, complete_booking, decline_booking, mark_no_show, undo_no_show
from apps.bookings.services.expiry import forfeit_expired, warn_of_expiry
from apps.bookings.services.occurrences import decide_minimum
from apps.bookings.services.packages import extend_order, grant_sessions
from apps.bookings.services.pauses import pause_order, resume_order
from apps.bookings.services.reinstating import reinstate_session
from apps.bookings.services.reviews import create_review, hide_review, reply_to_review
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.clients.services.exports import request_export
from apps.clients.services.subjects import ask_for_archive
from apps.core import jobs
from apps.core.events import acting, emit
from apps.core.tenancy import account_scope
from apps.notifications.catalogue import MESSAGES
from apps.notifications.models import Kind, Notification
from apps.notifications.voices import VOICES
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import mark_received
from apps.payments.services.invoices import issue_invoice
from apps.payments.services.refunds import request_refund
from apps.payments.services.settling import stop_holding
from tests.bookings.life import book, do
from tests.bookings.uploads import PDF
from tests.checkout.waiting import offer, wait
from tests.notifications.hearing import employ, hear, told, written
from tests.payments.refunding import paid
from tests.portal import become, in_force
from tests.studio import MONDAY_TEN, NOW, Studio, open_studio

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def heard(studio: Studio) -> Callable[[], tuple[list[str], list[str], list[str]]]:
    """(what the client, the practitioner and the owner hear now), since the last time."""
    client, practitioner, owner = become(studio).user, employ(studio), employ(studio, "owner")
    seen = {"last": 0}

    def now() -> tuple[list[str], list[str], list[str]]:
        hear(studio)
        with account_scope(studio.account):
            last = Notification.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        found = tuple([kind for kind, _ in told(studio, user, since=seen["last"])] for user in (client, practitioner, owner))
        seen["last"] = last
        return found  # type: ignore[return-value]

    return now


def inside(studio: Studio, use_case: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    with account_scope(studio.account):
        return use_case(*args, **options)


def package(studio: Studio) -> Order:
    """Three sessions to be used within ten days, paid."""
    with account_scope(studio.account):
        studio.package.valid_days = 10
        studio.package.save()
    payment = paid(studio)
    with account_scope(studio.account):
        return Order.objects.select_related("account").get(pk=payment.order_id)


def test_requests(studio: Studio, heard: Any) -> None:
    in_force(studio, requires_approval=True)
    booking = studio.draft()
    heard()
    do(studio, schedule_booking, booking, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    assert heard() == ([Kind.BOOKING_REQUESTED], [Kind.BOOKING_REQUESTED], [])
    do(studio, decline_booking, booking, reason="we do not like them")
    assert heard() == ([Kind.BOOKING_DECLINED], [], [])
    assert "like them" not in "".join(f"{one.text}{one.html}" for one in written(studio))


def test_endings(studio: Studio, heard: Any) -> None:
    booking = book(studio)
    heard()
    later = MONDAY_TEN + timedelta(hours=2)
    do(studio, mark_no_show, booking, at=later)
    assert heard() == ([Kind.BOOKING_NO_SHOW], [], [])
    do(studio, undo_no_show, booking, at=later)
    assert heard() == ([Kind.BOOKING_REINSTATED], [], [])
    do(studio, complete_booking, booking, at=later)
    assert heard() == ([Kind.REVIEW_REQUESTED], [], [])
    with acting(studio.client.customer.user_id, "customer"):  # type: ignore[union-attr]
        review = do(studio, create_review, booking, rating=5, comment="<b>fine</b>", at=later)
    assert heard() == ([], [Kind.REVIEW_RECEIVED], [])
    inside(studio, reply_to_review, review, reply="Thank you!")
    assert heard() == ([Kind.REVIEW_REPLIED], [], [])
    inside(studio, hide_review, review)
    assert heard() == ([Kind.REVIEW_HIDDEN], [], [])
    assert {one.kind for one in written(studio)} & {Kind.REVIEW_RECEIVED, Kind.REVIEW_REPLIED, Kind.REVIEW_REQUESTED} == set()


def test_a_session_that_comes_back(studio: Studio, heard: Any) -> None:
    order = package(studio)
    with account_scope(studio.account):
        booking = order.bookings.order_by("position").first()
    heard()
    do(studio, cancel_booking, booking, by=Side.PROVIDER, void=True)
    assert heard() == ([Kind.BOOKING_CANCELLED], [], [])
    do(studio, reinstate_session, booking, reason="by mistake")
    assert heard() == ([Kind.BOOKING_REINSTATED], [], [])
    do(studio, schedule_booking, booking, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    assert heard() == ([Kind.BOOKING_CONFIRMED], [Kind.BOOKING_CONFIRMED], [])
    do(studio, cancel_booking, booking, by=Side.PROVIDER)
    assert heard() == ([Kind.BOOKING_CANCELLED], [Kind.BOOKING_CANCELLED], [])


def test_the_life_of_a_package(studio: Studio, heard: Any) -> None:
    order = package(studio)
    with account_scope(studio.account):
        booking = order.bookings.order_by("position").first()
    do(studio, schedule_booking, booking, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    heard()

    inside(studio, pause_order, order, first_day=date(2026, 11, 23), last_day=date(2026, 11, 25), reason="ill", at=NOW)
    assert heard() == ([Kind.PACKAGE_PAUSED], [Kind.BOOKING_CANCELLED], [])
    pause = written(studio, studio.client)[-1]
    assert "pauses from Monday, 23 November 2026 to Wednesday, 25 November 2026." in pause.text
    assert "Sessions in this time that were cancelled: 1. They can be booked again." in pause.text
    inside(studio, resume_order, order, at=NOW)
    assert heard() == ([Kind.PACKAGE_PAUSED], [], [])
    inside(studio, pause_order, order, first_day=date(2026, 11, 23), reason="ill", at=NOW)
    assert heard() == ([Kind.PACKAGE_PAUSED], [], [])
    assert "until you resume it" in written(studio, studio.client)[-1].text
    inside(studio, resume_order, order, at=NOW)
    heard()

    inside(studio, extend_order, order, expires_on=date(2026, 12, 2), reason="sorry", at=NOW)
    assert heard() == ([Kind.PACKAGE_EXTENDED], [], [])
    assert "until Wednesday, 2 December 2026, 23:59 (Europe/Berlin)" in written(studio, studio.client)[-1].text
    inside(studio, grant_sessions, order, service=studio.service, count=1, reason="sorry", at=NOW)
    assert heard() == ([Kind.PACKAGE_EXTENDED], [], [])
    inside(studio, warn_of_expiry, at=NOW)
    assert heard() == ([Kind.PACKAGE_EXPIRING], [], [])
    assert "Sessions that are left: 4." in written(studio, studio.client)[-1].text
    inside(studio, forfeit_expired, at=NOW + 20 * DAY)
    assert heard() == ([Kind.PACKAGE_EXPIRED], [], [])


def test_sessions_that_are_given_away(studio: Studio, heard: Any) -> None:
    order = package(studio)
    other = studio.other_client()
    heard()
    inside(studio, transfer_sessions, order, to_client=other, count=2, at=NOW, override=True, reason="asked")
    assert heard() == ([Kind.PACKAGE_TRANSFERRED], [], [])
    giver, getter = written(studio, studio.client)[-1], written(studio, other)[-1]
    assert "that were given to somebody else: 2." in giver.text
    assert "that are yours now: 2." in getter.text
    assert other.full_name not in giver.text
    assert studio.client.full_name not in getter.text


def test_an_offer_to_somebody_who_waits(studio: Studio, heard: Any) -> None:
    entry = wait(studio, studio.client)
    heard()
    offer(studio, entry)
    assert heard() == ([Kind.WAITLIST_OFFER], [], [])
    mail = written(studio, studio.client)[-1]
    assert "Please answer before Saturday, 21 November 2026, 10:00 (Europe/Berlin)." in mail.text
    assert "/waitlist/" in mail.text


def test_documents(studio: Studio, heard: Any) -> None:
    booking = book(studio)
    heard()
    document = inside(studio, add_document, booking, name="plan.pdf", content=PDF, is_shared=False)
    assert heard() == ([], [], [])
    inside(studio, update_document, document, is_shared=True)
    assert heard() == ([Kind.DOCUMENT_SHARED], [], [])
    with acting(studio.client.customer.user_id, "customer"):  # type: ignore[union-attr]
        inside(studio, add_document, booking, name="mine.pdf", content=PDF)
    assert heard() == ([], [Kind.DOCUMENT_SHARED], [])
    assert "plan.pdf" not in "".join(message for _, message in told(studio))


def test_an_occurrence_with_too_few(account: Any) -> None:
    studio = open_studio(account, capacity=4, min_attendees=2, min_attendees_hours=48)
    owner = employ(studio, "owner")
    practitioner = employ(studio)
    book(studio)
    hear(studio)
    at = MONDAY_TEN - timedelta(hours=24)
    with account_scope(account):
        (found,) = occurrences(account, MONDAY_TEN, MONDAY_TEN + timedelta(minutes=1), at=at)
        assert decide_minimum(account, found, at=at) == "proposed"
    hear(studio)
    assert told(studio, owner)[-1] == told(studio, practitioner)[-1]
    assert "has 1 of at least 2 who take part" in told(studio, owner)[-1][1]


def test_documents_of_money_that_a_person_issues(studio: Studio, heard: Any) -> None:
    payment = paid(studio)
    heard()
    with acting(employ(studio, "bookkeeper").pk, "staff"), account_scope(studio.account):
        issue_invoice(Order.objects.select_related("account").get(pk=payment.order_id), at=NOW)
    assert heard() == ([Kind.INVOICE_ISSUED], [], [])


def test_an_invoice_that_follows_from_a_payment_is_not_announced(studio: Studio, heard: Any) -> None:
    payment = paid(studio)
    heard()
    with acting(None, "job"), account_scope(studio.account):
        issue_invoice(Order.objects.select_related("account").get(pk=payment.order_id), at=NOW)
    assert heard() == ([], [], [])


def test_a_refund_that_waits_for_a_second_person(studio: Studio, heard: Any) -> None:
    studio.account.settings = {"refund_approval_above_cents": 1}
    studio.account.save()
    payment = paid(studio)
    heard()
    with account_scope(studio.account):
        request_refund(Payment.objects.get(pk=payment.pk), amount_cents=1000, reason="Sorry", at=NOW)
    assert heard() == ([], [], [Kind.PAYMENT_REVIEW])


def test_a_payment_that_is_overdue(studio: Studio, heard: Any) -> None:
    sale = studio.sell(method="bank_transfer")
    heard()
    with account_scope(studio.account):
        Payment.objects.filter(pk=sale.payment.pk).update(expires_at=NOW - DAY)
        stop_holding(Payment.objects.get(pk=sale.payment.pk), at=NOW)
    assert heard() == ([Kind.PAYMENT_OVERDUE], [], [])


def test_a_gift_code_that_is_paid(studio: Studio, heard: Any) -> None:
    sale = studio.sell(gift_cents=5000, package=None)
    heard()
    with account_scope(studio.account):
        mark_received(sale.payment, at=NOW)
    jobs.run_pending()  # the code is made valid by a job of its own
    assert heard() == ([Kind.GIFT_CODE_READY], [], [])
    mail = written(studio, studio.client)[-1]
    assert "is worth 50.00\u00a0EUR" in mail.text


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("payment.failed", {"status": ["pending", "failed"], "failure": ["", "card_declined"]}, ([Kind.PAYMENT_FAILED], [], [])),
        ("payment.failed", {"status": ["pending", "requires_action"], "failure": ["", "card_declined"]}, ([], [], [])),
        ("payment.unanswered", {"status": ["unknown", "unknown"]}, ([], [], [Kind.PAYMENT_REVIEW])),
        (
            "payment.left_over",
            {"is_late": [None, True], "payment_status": [None, "overpaid"]},
            ([Kind.PAYMENT_LEFT_OVER], [], [Kind.PAYMENT_LEFT_OVER]),
        ),
        ("payment.left_over", {"is_late": [None, True], "payment_status": [None, "paid"]}, ([], [], [])),
        ("payment.left_over", {"is_late": [None, False], "payment_status": [None, "overpaid"]}, ([], [], [Kind.PAYMENT_LEFT_OVER])),
        ("payment.cancelled", {"status": ["pending", "cancelled"]}, ([], [], [])),
    ],
)
def test_events_of_payments(studio: Studio, heard: Any, name: str, changes: dict[str, Any], expected: Any) -> None:
    sale = studio.sell()
    heard()
    inside(studio, emit, name, sale.payment, changes=changes)
    assert heard() == expected


def test_files_about_clients_are_announced_to_the_owner(studio: Studio, heard: Any) -> None:
    employee = employ(studio, "manager")
    heard()
    with acting(employee.pk, "api"):
        inside(studio, request_export, account=studio.account, format="csv", filters={})
        inside(studio, ask_for_archive, studio.client)
    assert heard() == ([], [], [Kind.EXPORT_READY, Kind.EXPORT_READY])
    with account_scope(studio.account):
        bodies = list(Notification.objects.filter(kind=Kind.EXPORT_READY).values_list("message", flat=True))
        assert all(employee.email in body for body in bodies)
        assert any(studio.client.full_name in body for body in bodies)
        assert not Notification.objects.filter(user=employee, kind=Kind.EXPORT_READY).exists()  # who has asked knows


def test_nothing_else_than_what_is_listed_speaks() -> None:
    """A message that no voice says is one that ``speaking`` chooses itself, or that reminders say."""
    spoken = {voice.message for voices in VOICES.values() for voice in voices}
    assert set(MESSAGES) - spoken == {"package_paused_openly", "payment_instructions", "booking_reminder"}
