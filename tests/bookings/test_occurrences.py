"""Groups: who attends what, and moving everybody at once."""

from datetime import timedelta

import pytest

from apps.bookings.errors import AlreadyBooked, LimitReached, NoticeTooShort, OutsideHours, PackageExpired, SlotTaken
from apps.bookings.models import Booking, Status
from apps.bookings.occurrences import occurrences
from apps.bookings.services.endings import cancel_booking, check_in
from apps.bookings.services.occurrences import cancel_occurrence, move_occurrence
from apps.bookings.services.scheduling import Override, hold_booking, reschedule_booking
from apps.core.errors import Invalid, InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from factories.bookings import WaitlistOfferFactory
from factories.catalog import PractitionerFactory
from factories.clients import ClientFactory
from tests.bookings.groups import ELEVEN, TOMORROW, draft, events_of, join, other_service, rows, run, seats_at, second_practitioner
from tests.studio import MONDAY_TEN, NOW, open_studio

HALF_PAST = MONDAY_TEN + timedelta(minutes=30)
WEEK = (MONDAY_TEN - timedelta(days=1), MONDAY_TEN + timedelta(days=6))


@pytest.fixture
def group(account):
    """Classes of six, an hour long, every half hour."""
    return open_studio(account, capacity=6, slot_step_minutes=30)


def move(studio, to, **options):
    return run(studio, move_occurrence, new_start_time=to, **options)


# -- reading


def test_an_occurrence_is_the_bookings_of_a_service_practitioner_and_start(group, statements):
    first = join(group)
    guest = join(group, draft(group, first.client), attendee_name="Ada's sister")
    join(group, start=ELEVEN)
    join(group, draft(group, service=other_service(group)), start=TOMORROW)  # for one: not a group
    held = join(group, action=hold_booking)
    join(group, action=hold_booking, expires_at=NOW + timedelta(minutes=1))

    with account_scope(group.account), statements() as made:
        found = occurrences(group.account, *WEEK, at=NOW + timedelta(minutes=2))

    assert len(made()) == 1
    ten, eleven = found
    assert (ten.service_name, ten.practitioner_name) == (group.service.name, group.practitioner.display_name)
    assert (ten.start_time, ten.end_time) == (MONDAY_TEN, ELEVEN)
    assert (ten.capacity, ten.taken, ten.held, ten.seats_left, ten.oversold) == (6, 2, 1, 3, 0)
    assert [(one.id, one.client_name, one.attendee_name, one.status, one.seat) for one in ten.bookings] == [
        (first.pk, first.client.full_name, "", "confirmed", 1),
        (guest.pk, first.client.full_name, "Ada's sister", "confirmed", 2),
        (held.pk, held.client.full_name, "", "held", 3),
    ]
    assert (eleven.start_time, eleven.taken) == (ELEVEN, 1)


def test_occurrences_are_narrowed_by_range_service_and_practitioner(group):
    join(group)
    join(group, start=ELEVEN)
    colleague = second_practitioner(group)
    join(group, practitioner=colleague)

    with account_scope(group.account):

        def found(since, until, **options):
            return [(one.start_time, one.practitioner) for one in occurrences(group.account, since, until, at=NOW, **options)]

        assert found(MONDAY_TEN, ELEVEN) == [(MONDAY_TEN, group.practitioner.pk), (MONDAY_TEN, colleague.pk)]
        assert found(*WEEK, practitioner=group.practitioner) == [(MONDAY_TEN, group.practitioner.pk), (ELEVEN, group.practitioner.pk)]
        assert found(*WEEK, service=other_service(group)) == []
        assert found(ELEVEN + timedelta(seconds=1), WEEK[1]) == []


def test_lowering_the_capacity_evicts_nobody_and_shows_oversold(group):
    for _ in range(4):
        join(group)
    with account_scope(group.account):
        group.service.capacity = 1
        group.service.save()
        (found,) = occurrences(group.account, *WEEK, at=NOW)

    assert (found.capacity, found.taken, found.seats_left, found.oversold) == (1, 4, 0, 3)
    with pytest.raises(SlotTaken):
        join(group)


def test_the_same_client_needs_a_name_for_a_guest(group):
    first = join(group)
    with pytest.raises(AlreadyBooked):
        join(group, draft(group, first.client))
    join(group, draft(group, first.client), attendee_name="A guest")
    with pytest.raises(AlreadyBooked):
        join(group, draft(group, first.client), attendee_name="A guest")

    assert seats_at(group, MONDAY_TEN) == [1, 2]


def test_a_seat_that_was_left_is_the_next_one_given(group):
    join(group)
    second = join(group)
    join(group)
    with account_scope(group.account):
        cancel_booking(second, by="provider", at=NOW)

    assert join(group).seat == 2


def test_statuses_of_attendees_and_claims_agree(group):
    """A checked-in attendee is still there; one whose session was given back is not."""
    one, two = join(group), join(group)
    with account_scope(group.account):
        check_in(one, at=MONDAY_TEN)
        cancel_booking(two, by="provider", at=NOW)
        (found,) = occurrences(group.account, *WEEK, at=NOW)

    assert [(attendee.id, attendee.status) for attendee in found.bookings] == [(one.pk, Status.CHECKED_IN)]


# -- moving


def test_a_class_moves_into_its_own_time_with_everybody_on_their_seat(group):
    joined = [join(group) for _ in range(3)]
    before = rows(group)
    with pytest.raises(SlotTaken):  # the control: one by one they are in one another's way
        join(group, joined[0], action=reschedule_booking, start=HALF_PAST)

    moved = move(group, HALF_PAST)

    assert [one.pk for one in moved] == [one.pk for one in joined]
    shift = timedelta(minutes=30)
    assert rows(group) == [
        (pk, status, start + shift, end + shift, since + shift, until + shift, seat, practitioner, version + 1, True)
        for pk, status, start, end, since, until, seat, practitioner, version, _ in before
    ]
    assert [(one.subject_id, one.changes) for one in events_of(group, "booking.rescheduled")] == [
        (
            one.pk,
            {
                "start_time": [MONDAY_TEN.isoformat(), HALF_PAST.isoformat()],
                "practitioner": [group.practitioner.pk, group.practitioner.pk],
                "reason": [None, "the room floods"],
            },
        )
        for one in joined
    ]
    with account_scope(group.account):
        for one in joined:
            told = list(Booking.history.filter(id=one.pk).order_by("history_id").values_list("status", "start_time"))
            assert told == [("draft", None), ("confirmed", MONDAY_TEN), ("confirmed", HALF_PAST)]


@pytest.mark.parametrize(("allowed", "opens"), [(29, True), (30, False)])
def test_free_cancellation_opens_beyond_the_setting_only(group, allowed, opens):
    group.account.settings["free_cancellation_after_move_minutes"] = allowed
    group.account.save()
    group.service.account = group.account
    join(group)

    move(group, HALF_PAST)

    assert [row[-1] for row in rows(group)] == [opens]


def test_moving_to_the_same_place_changes_nothing(group):
    join(group)
    before = rows(group)

    move(group, MONDAY_TEN)

    assert rows(group) == before
    assert events_of(group, "booking.rescheduled") == []


def test_a_class_may_change_its_practitioner(group):
    colleague = second_practitioner(group)
    booking = join(group)

    move(group, MONDAY_TEN, new_practitioner=colleague)

    with account_scope(group.account):
        booking.refresh_from_db()
    assert (booking.practitioner_id, booking.start_time, booking.free_cancellation) == (colleague.pk, MONDAY_TEN, False)


def test_nobody_moves_when_the_time_is_taken_by_another_service(group):
    join(group)
    join(group)
    join(group, draft(group, service=other_service(group)), start=ELEVEN)
    before = rows(group)

    with pytest.raises(SlotTaken):
        move(group, HALF_PAST)

    assert rows(group) == before


def test_nobody_moves_when_the_package_of_one_would_have_expired(group):
    join(group)
    package = join(group, draft(group, package=group.package))
    with account_scope(group.account):
        Order.objects.filter(pk=package.order_id).update(expires_at=ELEVEN)
    before = rows(group)

    with pytest.raises(PackageExpired):
        move(group, TOMORROW)

    assert rows(group) == before
    assert len(move(group, HALF_PAST)) == 2


def test_nobody_moves_once_somebody_has_checked_in(group):
    join(group)
    here = join(group)
    with account_scope(group.account):
        check_in(here, at=MONDAY_TEN - timedelta(minutes=5))
    before = rows(group)

    for service, options in ((move_occurrence, {"new_start_time": ELEVEN}), (cancel_occurrence, {})):
        with pytest.raises(InvalidTransition):
            run(group, service, **options)

    assert rows(group) == before


def test_hours_and_notice_bind_a_move_unless_staff_override_them(group):
    join(group)
    night = MONDAY_TEN + timedelta(hours=12)
    with pytest.raises(OutsideHours):
        move(group, night)
    with pytest.raises(NoticeTooShort):
        move(group, NOW - timedelta(hours=1))

    move(group, night, override=True)

    with account_scope(group.account):
        row = Booking.objects.get()
        assert (row.start_time, row.overlap_allowed, row.override_reason) == (night, False, "the room floods")


def test_an_overridden_move_may_overlap_another_session(group):
    join(group)
    join(group)
    join(group, draft(group, service=other_service(group)), start=ELEVEN)

    move(group, HALF_PAST, override=True)

    with account_scope(group.account):
        moved = Booking.objects.filter(start_time=HALF_PAST)
        assert list(moved.values_list("overlap_allowed", "seat")) == [(True, 1), (True, 1)]


def test_two_classes_can_be_joined_as_long_as_there_are_seats(group):
    for _ in range(3):
        join(group)
        join(group, start=TOMORROW)
    move(group, TOMORROW)
    assert seats_at(group, TOMORROW) == [1, 2, 3, 4, 5, 6]

    join(group)
    with pytest.raises(SlotTaken):
        move(group, TOMORROW)
    move(group, TOMORROW, override=True)

    with account_scope(group.account):
        (found,) = occurrences(group.account, *WEEK, at=NOW)
    assert (found.taken, found.oversold) == (7, 1)


def test_too_few_seats_for_all_move_nobody(group):
    for _ in range(4):
        join(group)
        join(group, start=TOMORROW)
    before = rows(group)

    with pytest.raises(SlotTaken):
        move(group, TOMORROW)

    assert rows(group) == before


def test_a_client_of_both_classes_keeps_them_apart(group):
    client = ClientFactory(account=group.account)
    join(group, draft(group, client))
    join(group, draft(group, client), start=TOMORROW)
    before = rows(group)

    with pytest.raises(AlreadyBooked):
        move(group, TOMORROW)

    assert rows(group) == before


def test_moving_evicts_nobody_from_an_oversold_class(group):
    for _ in range(4):
        join(group)
    join(group, override=Override("sits on the floor"), start=TOMORROW)
    with account_scope(group.account):
        group.service.capacity = 2
        group.service.save()

    move(group, HALF_PAST)

    assert seats_at(group, HALF_PAST) == [1, 2, 3, 4]


def test_somebody_beyond_the_seats_stays_so_when_the_class_moves(make_studio):
    small = make_studio(capacity=2)
    for _ in range(2):
        join(small)
    join(small, override=Override("sits on the floor"))

    move(small, ELEVEN)

    with account_scope(small.account):
        assert sorted(Booking.objects.values_list("seat", "overlap_allowed", "override_reason")) == [
            (1, False, ""),
            (1, True, "sits on the floor"),
            (2, False, ""),
        ]


def test_limits_of_the_service_bind_a_move_and_those_of_a_client_do_not(account):
    limited = open_studio(account, capacity=6, limits={"per_day": 1, "client": {"per_week": 1}})
    client = ClientFactory(account=account)
    join(limited, draft(limited, client))
    join(limited, start=TOMORROW)
    join(limited, draft(limited, client), start=MONDAY_TEN + timedelta(days=7))

    with pytest.raises(LimitReached) as refused:
        move(limited, TOMORROW + timedelta(hours=1))
    assert refused.value.extras["rule"] == "service.per_day"
    run(limited, move_occurrence, start=MONDAY_TEN + timedelta(days=7), new_start_time=MONDAY_TEN + timedelta(days=2))

    assert seats_at(limited, MONDAY_TEN + timedelta(days=2)) == [1]


def test_a_hold_that_was_offered_to_the_waitlist_is_given_back(group):
    attendee, own_hold, offered = join(group), join(group, action=hold_booking), join(group, action=hold_booking)
    offer = WaitlistOfferFactory(account=group.account, practitioner=group.practitioner, start_time=MONDAY_TEN)
    with account_scope(group.account):
        Booking.objects.filter(pk=offered.pk).update(offer=offer)

    moved = move(group, ELEVEN)

    assert [one.pk for one in moved] == [attendee.pk, own_hold.pk]
    with account_scope(group.account):
        assert dict(Booking.objects.values_list("pk", "status")) == {attendee.pk: "confirmed", own_hold.pk: "held", offered.pk: "draft"}
        (released,) = Event.objects.filter(type="booking.hold_released")
    assert (released.subject_id, released.changes["why"]) == (offered.pk, [None, "moved"])


@pytest.mark.parametrize("what", ["nothing there", "one to one", "all over"])
def test_there_must_be_a_group_to_move_or_cancel(group, make_studio, what):
    studio = group
    if what == "one to one":
        studio = make_studio(capacity=1)
        join(studio)
    if what == "all over":
        left = join(studio)
        with account_scope(studio.account):
            cancel_booking(left, by="provider", at=NOW)

    for service, options in ((move_occurrence, {"new_start_time": ELEVEN}), (cancel_occurrence, {})):
        with pytest.raises(Invalid) as refused:
            run(studio, service, **options)
        assert list(refused.value.fields) == ["start_time"]


def test_the_new_practitioner_must_offer_the_service(group):
    join(group)

    with pytest.raises(Invalid) as refused:
        move(group, ELEVEN, new_practitioner=PractitionerFactory(account=group.account))

    assert list(refused.value.fields) == ["new_practitioner"]
