"""One change of substance is one message to each reader, whatever the number of events that it writes."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from apps.bookings.models import Side
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import reschedule_booking, schedule_booking
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.notifications.models import Kind
from apps.payments.services import mark_received
from tests.bookings.life import TUESDAY_TEN, do, second_practitioner
from tests.notifications.hearing import employ, hear, kinds, told, written
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=True):
        yield


def types(studio: Studio) -> list[str]:
    with account_scope(studio.account):
        return list(Event.objects.order_by("pk").values_list("type", flat=True))


def test_a_sale_with_a_start_is_one_message(studio: Studio) -> None:
    become(studio)
    practitioner = employ(studio)

    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio, times=2)

    assert {"order.placed", "booking.scheduled"} <= set(types(studio))
    assert told(studio, studio.client.customer.user) == [
        (
            Kind.BOOKING_CONFIRMED,
            f"{studio.service.name} with {studio.practitioner.display_name} is confirmed for"
            " Monday, 23 November 2026, 10:00–11:00 (Europe/Berlin).\n"
            f"Still to be paid: {studio.service.price_cents / 100:.2f}\u00a0EUR.",
        )
    ]
    assert told(studio, practitioner) == [
        (
            Kind.BOOKING_CONFIRMED,
            f"{studio.client.full_name} has {studio.service.name} on Monday, 23 November 2026, 10:00–11:00 (Europe/Berlin).",
        )
    ]
    assert kinds(studio) == [Kind.BOOKING_CONFIRMED, Kind.BOOKING_CONFIRMED]


def test_a_package_without_a_start_is_one_message_and_its_money_another(studio: Studio) -> None:
    sale = studio.sell()
    hear(studio)
    assert kinds(studio) == [Kind.ORDER_PLACED]

    with account_scope(studio.account):
        mark_received(sale.payment, at=NOW)
    hear(studio)

    assert kinds(studio) == [Kind.ORDER_PLACED, Kind.PAYMENT_RECEIVED]
    assert written(studio)[1].subject == f"Receipt: 100.00\u00a0EUR for order {sale.order.number}"


def test_a_bank_transfer_says_where_to_pay(studio: Studio) -> None:
    with account_scope(studio.account):
        studio.account.settings = {"bank_transfer_instructions": "IBAN DE00 1234\nBerlin Studio"}
        studio.account.save()

    sale = studio.sell(method="bank_transfer")
    hear(studio)

    assert kinds(studio) == [Kind.PAYMENT_INSTRUCTIONS]
    text = written(studio)[0].text
    assert f"Please transfer 100.00\u00a0EUR for {studio.package.package_name} and give {sale.payment.reference} as the reference." in text
    assert "How to pay: IBAN DE00 1234\nBerlin Studio" in text


def test_moving_a_session_is_one_message_with_both_times(studio: Studio) -> None:
    practitioner = employ(studio)
    booking = studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN).bookings[0]
    hear(studio)

    do(studio, reschedule_booking, booking, practitioner=studio.practitioner, start_time=TUESDAY_TEN)
    hear(studio, times=2)

    assert kinds(studio, studio.client) == [Kind.BOOKING_CONFIRMED, Kind.BOOKING_RESCHEDULED]
    moved = written(studio, studio.client)[1]
    assert (
        "was moved from Monday, 23 November 2026, 10:00–11:00 (Europe/Berlin) to Tuesday, 24 November 2026, 10:00–11:00 (Europe/Berlin)."
        in moved.text
    )
    assert [one["type"] for one in moved.attachments] == ["text/calendar; method=PUBLISH; charset=utf-8"]
    assert "DTSTART:20261124T090000Z" in moved.attachments[0]["text"]
    assert [kind for kind, _ in told(studio, practitioner)] == [Kind.BOOKING_CONFIRMED, Kind.BOOKING_RESCHEDULED]


def test_a_session_that_changes_hands_tells_both(studio: Studio) -> None:
    first = employ(studio)
    booking = studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN).bookings[0]
    other = second_practitioner(studio)
    hear(studio)

    do(studio, reschedule_booking, booking, practitioner=other, start_time=MONDAY_TEN)
    hear(studio)

    assert [kind for kind, _ in told(studio, first)] == [Kind.BOOKING_CONFIRMED, Kind.BOOKING_CANCELLED]
    assert "is not yours any more" in told(studio, first)[1][1]
    assert kinds(studio, studio.client) == [Kind.BOOKING_CONFIRMED, Kind.BOOKING_RESCHEDULED]


def test_cancelling_is_one_message_with_the_time_that_was_given_up(studio: Studio) -> None:
    booking = studio.sell().bookings[0]
    do(studio, schedule_booking, booking, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio)

    do(studio, cancel_booking, booking, by=Side.CLIENT)
    hear(studio)

    assert kinds(studio) == [Kind.ORDER_PLACED, Kind.BOOKING_CONFIRMED, Kind.BOOKING_CANCELLED]
    cancelled = written(studio)[2]
    assert f"{studio.service.name} on Monday, 23 November 2026, 10:00–11:00 (Europe/Berlin) was cancelled." in cancelled.text
    assert "STATUS:CANCELLED" in cancelled.attachments[0]["text"]
    assert "METHOD:CANCEL" in cancelled.attachments[0]["text"]


def test_people_without_an_address_are_left_out_without_an_error(studio: Studio) -> None:
    with account_scope(studio.account):
        studio.client.email = ""
        studio.client.save()

    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio)

    assert (written(studio), told(studio)) == ([], [])


def test_staff_are_not_told_what_they_did_themselves(studio: Studio) -> None:
    practitioner = employ(studio)
    booking = studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN).bookings[0]
    with account_scope(studio.account):
        Event.objects.update(actor_id=practitioner.pk)
    hear(studio)

    assert told(studio, practitioner) == []
    assert kinds(studio) == [Kind.BOOKING_CONFIRMED]
    assert booking.pk


def test_a_reader_with_a_zone_of_their_own_reads_their_own_clock(studio: Studio) -> None:
    customer = become(studio)
    customer.user.timezone, customer.user.language = "America/New_York", "es"
    customer.user.save()

    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio)

    assert told(studio, customer.user)[0][1].startswith(
        f"{studio.service.name} con {studio.practitioner.display_name} está confirmada:"
        " lunes, 23 de noviembre de 2026, 04:00–05:00 (America/New_York)."
    )


def test_several_sessions_of_one_change_are_one_message(studio: Studio) -> None:
    bookings = studio.sell().bookings
    with account_scope(studio.account):
        for number, booking in enumerate(bookings):
            start = MONDAY_TEN + timedelta(days=number)
            schedule_booking(booking, practitioner=studio.practitioner, start_time=start, at=NOW)
    hear(studio)

    assert kinds(studio) == [Kind.ORDER_PLACED, Kind.BOOKING_CONFIRMED]
    text = written(studio)[1].text
    assert "Sessions that this is about in all: 3. The others: Tuesday, 24 November 2026, 10:00; Wednesday, 25 November 2026, 10:00" in text
    assert written(studio)[1].attachments[0]["text"].count("BEGIN:VEVENT") == 3
