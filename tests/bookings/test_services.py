"""Giving sessions their time: rules, constraints, overrides, groups."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from apps.bookings.errors import AlreadyBooked, AlreadyScheduled, BeyondHorizon, NoticeTooShort, OutsideHours, PackagePaused, SlotTaken
from apps.bookings.models import ONE_SEAT, ONE_SERVICE, ONE_START, Booking
from apps.bookings.services.scheduling import Override, schedule_booking
from apps.core.db import constraint_name
from apps.core.errors import Invalid, InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.orders import PackagePauseFactory
from tests.studio import MONDAY_TEN, NOW


def schedule(studio, booking=None, start=MONDAY_TEN, **options):
    booking = booking or studio.draft()
    with account_scope(studio.account), transaction.atomic():
        return schedule_booking(booking, **{"practitioner": studio.practitioner, "start_time": start, "at": NOW, **options})


def test_schedule_confirms_and_stores_the_padded_range(make_studio):
    studio = make_studio(buffer_before_minutes=15, buffer_after_minutes=30)

    booking = schedule(studio)

    with account_scope(studio.account):
        row = Booking.objects.get(pk=booking.pk)
        assert (row.status, row.start_time, row.end_time) == ("confirmed", MONDAY_TEN, MONDAY_TEN + timedelta(hours=1))
        assert (row.busy_from, row.busy_until) == (MONDAY_TEN - timedelta(minutes=15), MONDAY_TEN + timedelta(minutes=90))
        assert (row.occupied.lower, row.occupied.upper) == (row.busy_from, row.busy_until)
        assert (row.timezone, row.local_start, row.seat, row.capacity, row.version) == ("Europe/Berlin", "2026-11-23T10:00:00", 1, 1, 2)
        event = Event.objects.get(type="booking.scheduled")
        assert event.changes["status"] == ["draft", "confirmed"]
        assert [h.status for h in row.history.order_by("history_id")] == ["draft", "confirmed"]


def test_schedule_changes_neither_price_nor_order(studio):
    sale = studio.sell()

    schedule(studio, sale.bookings[1])

    with account_scope(studio.account):
        order = Order.objects.get(pk=sale.order.pk)
        assert list(order.bookings.order_by("position").values_list("price_cents", "status")) == [
            (3334, "draft"),
            (3333, "confirmed"),
            (3333, "draft"),
        ]


@pytest.mark.parametrize(
    ("start", "error"),
    [
        (MONDAY_TEN.replace(hour=7), OutsideHours),  # 08:00 local
        (MONDAY_TEN.replace(hour=16), OutsideHours),  # 17:00 local: closing time
        (MONDAY_TEN.replace(hour=15, minute=30), OutsideHours),  # would end at 17:30
        (MONDAY_TEN - timedelta(days=1), OutsideHours),  # Sunday
        (MONDAY_TEN + timedelta(minutes=20), OutsideHours),  # between two starts
        (MONDAY_TEN + timedelta(microseconds=1), OutsideHours),
        (NOW - timedelta(seconds=1), NoticeTooShort),
        (NOW + timedelta(days=365), BeyondHorizon),
    ],
)
def test_schedule_refuses_what_the_slots_do_not_offer(studio, start, error):
    with pytest.raises(error):
        schedule(studio, start=start)

    with account_scope(studio.account):
        assert set(Booking.objects.values_list("status", "start_time", "version")) == {("draft", None, 1)}


def test_occupied_start_inside_hours_is_always_slot_taken_with_alternatives(studio):
    schedule(studio)

    for minutes in (0, 20, -20):  # on the grid and off it
        with pytest.raises(SlotTaken) as refused:
            schedule(studio, start=MONDAY_TEN + timedelta(minutes=minutes))
        assert [a["start"][11:16] for a in refused.value.extras["alternatives"]][:2] == ["09:00", "11:00"]


def test_schedule_respects_notice_and_horizon(make_studio):
    studio = make_studio(min_notice_minutes=3 * 24 * 60, horizon_days=4)

    with pytest.raises(NoticeTooShort):
        schedule(studio)
    schedule(studio, start=MONDAY_TEN + timedelta(days=1))
    with pytest.raises(BeyondHorizon):
        schedule(studio, start=MONDAY_TEN + timedelta(days=2))


def test_buffers_of_neighbours_add_up(make_studio):
    studio = make_studio(buffer_before_minutes=15, buffer_after_minutes=30, slot_step_minutes=15, duration_minutes=30)
    schedule(studio, start=MONDAY_TEN)  # 10:00 to 10:30, so busy 09:45 to 11:00

    for minutes in (15, 30, 45, 60):
        with pytest.raises(SlotTaken):
            schedule(studio, start=MONDAY_TEN + timedelta(minutes=minutes))
    schedule(studio, start=MONDAY_TEN + timedelta(minutes=75))


def test_schedule_twice_is_refused(studio):
    booking = schedule(studio)

    with pytest.raises(AlreadyScheduled):
        schedule(studio, booking, start=MONDAY_TEN + timedelta(hours=1))


@pytest.mark.parametrize("status", ["cancelled", "forfeited"])
def test_schedule_of_an_ended_session_is_refused(studio, status):
    booking = studio.draft()
    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(status=status)

    with pytest.raises(InvalidTransition) as refused:
        schedule(studio, booking)

    assert refused.value.extras["allowed_actions"] == []


def test_schedule_in_a_paused_package_is_refused(studio):
    sale = studio.sell()
    PackagePauseFactory(account=studio.account, order=sale.order, first_day=MONDAY_TEN.date(), last_day=MONDAY_TEN.date())

    with pytest.raises(PackagePaused):
        schedule(studio, sale.bookings[0])
    schedule(studio, sale.bookings[0], start=MONDAY_TEN + timedelta(days=1))


def test_practitioner_must_offer_the_service(studio):
    stranger = PractitionerFactory(account=studio.account)

    with pytest.raises(Invalid) as refused:
        schedule(studio, practitioner=stranger)

    assert list(refused.value.fields) == ["practitioner"]


def test_override_bends_hours_notice_and_overlap_but_not_the_life_cycle(studio):
    first = schedule(studio)
    night = schedule(studio, start=NOW - timedelta(days=2), override=Override("entered afterwards"))
    same = schedule(studio, override=Override("two at once, agreed by phone"))

    assert (night.overlap_allowed, night.override_reason) == (False, "entered afterwards")
    assert (same.overlap_allowed, same.start_time) == (True, first.start_time)
    with pytest.raises(AlreadyScheduled):
        schedule(studio, same, override=Override("again"))
    with pytest.raises(SlotTaken):  # an overridden row still counts as busy
        schedule(studio)


def test_group_fills_seat_by_seat_and_then_is_taken(make_studio):
    studio = make_studio(capacity=3)

    seats = [schedule(studio, studio.draft(client=studio.other_client())).seat for _ in range(3)]

    assert seats == [1, 2, 3]
    with pytest.raises(SlotTaken):
        schedule(studio)
    schedule(studio, start=MONDAY_TEN + timedelta(hours=1))


def test_one_client_takes_one_place_of_an_occurrence_and_names_a_guest_for_another(make_studio):
    studio = make_studio(capacity=3)
    schedule(studio)

    with pytest.raises(AlreadyBooked):
        schedule(studio)
    assert schedule(studio, attendee_name="Anna's sister").seat == 2
    with pytest.raises(AlreadyBooked):
        schedule(studio, attendee_name="Anna's sister")


def test_group_does_not_mix_with_another_service_or_start(make_studio):
    studio = make_studio(capacity=3, slot_step_minutes=30)
    other = ServiceFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=other, practitioner=studio.practitioner)
    schedule(studio)

    with pytest.raises(SlotTaken):
        schedule(studio, start=MONDAY_TEN + timedelta(minutes=30))
    with pytest.raises(SlotTaken):
        schedule(studio, studio.sell(service=other).bookings[0])


GUARDS = (ONE_SERVICE, ONE_START, ONE_SEAT)
CLAIM = """
    UPDATE bookings_booking SET status = 'confirmed', practitioner_id = %(p)s, start_time = %(s)s, end_time = %(e)s, busy_from = %(s)s,
        busy_until = %(e)s, seat = %(seat)s, capacity = %(capacity)s, service_id = %(service)s WHERE id = %(id)s
"""


@pytest.mark.parametrize(
    ("shift", "seat", "other_service", "refused_by_database"),
    [
        (0, 1, False, True),  # the same seat
        (30, 1, False, True),  # another start
        (30, 2, False, True),
        (0, 2, True, True),  # another service
        (59, 1, True, True),
        (60, 1, True, False),
        (60, 1, False, False),
        (0, 2, False, False),  # the next seat of the same occurrence
    ],
)
def test_database_itself_keeps_a_practitioner_in_one_place(studio, shift, seat, other_service, refused_by_database):
    service = ServiceFactory(account=studio.account) if other_service else studio.service
    first, second = studio.draft(), studio.draft(client=studio.other_client())
    values = {"p": studio.practitioner.pk, "capacity": 2}

    def claim(booking, start, seat, service):
        with account_scope(studio.account), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                CLAIM, {**values, "s": start, "e": start + timedelta(hours=1), "seat": seat, "service": service.pk, "id": booking.pk}
            )

    claim(first, MONDAY_TEN, 1, studio.service)
    if not refused_by_database:
        claim(second, MONDAY_TEN + timedelta(minutes=shift), seat, service)
        return
    with pytest.raises(IntegrityError) as refused:
        claim(second, MONDAY_TEN + timedelta(minutes=shift), seat, service)
    # One collision may break several of the three; which is named depends on the order in which they were made.
    assert constraint_name(refused.value) in GUARDS


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"status": "no_show"}, "bookings_booking_has_start"),
        ({"status": "completed"}, "bookings_booking_has_start"),
        ({"start_time": MONDAY_TEN}, "bookings_booking_draft_is_timeless"),
        ({"status": "confirmed", "start_time": MONDAY_TEN}, "bookings_booking_claim_is_whole"),
        ({"seat": 2}, "bookings_booking_seat"),
        ({"overlap_allowed": True}, "bookings_booking_override_reason"),
    ],
)
def test_rows_that_would_escape_the_constraints_cannot_be_stored(studio, change, constraint):
    booking = studio.draft()

    with account_scope(studio.account), pytest.raises(IntegrityError) as refused, transaction.atomic():
        Booking.objects.filter(pk=booking.pk).update(**change)

    assert constraint_name(refused.value) == constraint
