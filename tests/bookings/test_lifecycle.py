"""The transition table, as services and the API keep it: what is legal happens once, what is not changes nothing."""

from datetime import timedelta

import pytest

from apps.bookings.errors import AlreadyScheduled, HoldExpired, TooEarly
from apps.bookings.lifecycle import TRANSITIONS, allowed_actions, possible_steps
from apps.bookings.models import ACTIVE, Booking, Status
from apps.bookings.services.endings import cancel_booking, check_in, complete_booking, decline_booking, mark_no_show, undo_no_show
from apps.bookings.services.scheduling import Override, confirm_booking, hold_booking, release_hold, reschedule_booking, schedule_booking
from apps.core.errors import InvalidTransition, StaleVersion
from apps.core.tenancy import account_scope
from tests.bookings.life import SOON, TUESDAY_TEN, book, bring, broken, do, events_of, everything, row_of
from tests.studio import MONDAY_TEN

HOUR = timedelta(hours=1)

# action → (service, when, the events it may emit)
SERVICES = {
    "schedule": (schedule_booking, SOON, {"booking.requested"}),
    "hold": (hold_booking, SOON, {"booking.held"}),
    "release": (release_hold, SOON, {"booking.hold_released"}),
    "confirm": (confirm_booking, SOON, {"booking.confirmed"}),
    "decline": (decline_booking, SOON, {"booking.declined"}),
    "reschedule": (reschedule_booking, SOON, {"booking.rescheduled"}),
    "check-in": (check_in, MONDAY_TEN, {"booking.checked_in"}),
    "complete": (complete_booking, MONDAY_TEN + HOUR, {"booking.completed"}),
    "cancel": (cancel_booking, SOON, {"booking.cancelled"}),
    "no-show": (mark_no_show, MONDAY_TEN + HOUR, {"booking.no_show"}),
    "undo-no-show": (undo_no_show, MONDAY_TEN + 2 * HOUR, {"booking.no_show_undone"}),
}
BY_PEOPLE = [action for action, one in TRANSITIONS.items() if one.by_people]


def act(studio, action, booking, **options):
    service, at, _ = SERVICES[action]
    if action in ("schedule", "hold"):
        options = {"practitioner": studio.practitioner, "start_time": TUESDAY_TEN, **options}
    elif action == "reschedule":
        options = {"start_time": TUESDAY_TEN, **options}
    return do(studio, service, booking, **{"at": at, **options})


def test_every_action_of_the_table_is_tried_here():
    assert set(SERVICES) == set(BY_PEOPLE)


@pytest.mark.parametrize("action", BY_PEOPLE)
@pytest.mark.parametrize("status", Status.values)
def test_services_keep_the_table(make_studio, status, action):
    studio = make_studio(requires_approval=True)
    booking = bring(studio, status)
    before, events = everything(studio), len(events_of(studio, booking))
    stored = row_of(studio, booking)
    transition = TRANSITIONS[action]

    if status not in transition.sources:
        expected = AlreadyScheduled if action in ("schedule", "hold") and status in ACTIVE else InvalidTransition
        with pytest.raises(expected) as refused:
            act(studio, action, booking)
        assert type(refused.value) is expected
        assert refused.value.extras["allowed_actions"] == allowed_actions(status)
        assert everything(studio) == before
        return

    act(studio, action, booking)

    after = row_of(studio, booking)
    assert after.status in transition.leads_to(Status(status))
    assert after.version == stored.version + 1
    with account_scope(studio.account):
        history = list(Booking.history.filter(id=booking.pk).order_by("history_id").values_list("status", flat=True))
    assert len(history) == sum(pk == booking.pk for _, pk, _ in before["history"]) + 1
    assert history[-1] == after.status
    (event,) = events_of(studio, booking)[events:]
    assert event.type in SERVICES[action][2]
    if action == "reschedule":
        assert event.changes["start_time"] == [MONDAY_TEN.isoformat(), TUESDAY_TEN.isoformat()]
    else:
        assert event.changes["status"] == [status, after.status]
    assert broken("I01", "I02", "I03", "I04", "I06", "I30") == {}


def test_the_table_allows_what_the_rules_say_and_nothing_else():
    assert {source for source, _ in possible_steps()} & {"completed"} == set()
    assert set(possible_steps()) == {
        ("cancelled", "draft"),  # the money of a sale that was given up has come after all
        ("draft", "held"),
        ("draft", "pending"),
        ("draft", "confirmed"),
        ("draft", "cancelled"),
        ("draft", "forfeited"),
        ("held", "draft"),
        ("held", "pending"),
        ("held", "confirmed"),
        ("held", "cancelled"),
        ("pending", "draft"),
        ("pending", "confirmed"),
        ("pending", "cancelled"),
        ("confirmed", "draft"),
        ("confirmed", "pending"),  # a client moves it, and the service asks for approval
        ("confirmed", "checked_in"),
        ("confirmed", "completed"),
        ("confirmed", "cancelled"),
        ("confirmed", "no_show"),
        ("checked_in", "completed"),
        ("no_show", "confirmed"),
        ("forfeited", "draft"),
    }


# -- versions


@pytest.mark.parametrize("action", BY_PEOPLE)
def test_a_stale_version_is_refused_before_anything_is_written(make_studio, action):
    studio = make_studio(requires_approval=True)
    booking = bring(studio, TRANSITIONS[action].sources[-1])
    before, version = everything(studio), booking.version

    for stale in (version - 1, version + 1):
        with pytest.raises(StaleVersion) as refused:
            act(studio, action, booking, version=stale)
        assert refused.value.extras["version"] == version
        assert everything(studio) == before
    act(studio, action, booking, version=version)
    assert row_of(studio, booking).version == version + 1


# -- approval


def test_a_service_that_asks_for_approval_makes_requests(make_studio):
    studio = make_studio(requires_approval=True)

    booking = book(studio)

    assert (booking.status, [e.type for e in events_of(studio, booking)]) == ("pending", ["booking.requested"])
    with pytest.raises(InvalidTransition):
        do(studio, confirm_booking, booking, by="client")
    assert do(studio, confirm_booking, booking).status == "confirmed"


def test_a_client_who_confirms_a_hold_asks_and_the_business_confirms(make_studio):
    studio = make_studio(requires_approval=True)
    slot = {"practitioner": studio.practitioner, "start_time": MONDAY_TEN}
    by_client = do(studio, hold_booking, studio.draft(), **slot)
    by_staff = do(studio, hold_booking, studio.draft(), **{**slot, "start_time": TUESDAY_TEN})

    assert do(studio, confirm_booking, by_client, by="client").status == "pending"
    assert do(studio, confirm_booking, by_staff).status == "confirmed"
    assert row_of(studio, by_client).hold_expires_at is None


def test_staff_who_override_need_no_approval(make_studio):
    studio = make_studio(requires_approval=True)

    assert book(studio, override=Override("agreed by phone")).status == "confirmed"


def test_a_declined_request_goes_back_to_its_package(make_studio):
    studio = make_studio(requires_approval=True)
    sale = studio.sell()
    booking = book(studio, sale.bookings[0])

    do(studio, decline_booking, booking, reason="ill")

    row = row_of(studio, booking)
    assert (row.status, row.start_time, row.practitioner_id, row.order.status) == ("draft", None, None, "active")
    event = events_of(studio, booking)[-1]
    assert (event.type, event.changes["reason"]) == ("booking.declined", [None, "ill"])


def test_a_declined_single_request_ends_its_order(make_studio):
    studio = make_studio(requires_approval=True)
    booking = book(studio)

    do(studio, decline_booking, booking)

    row = row_of(studio, booking)
    assert (row.status, row.cancelled_side, row.order.status, row.order.total_amount_cents) == ("cancelled", "provider", "cancelled", 0)
    assert broken("I01", "I02", "I03", "I05", "I06", "I06.lines", "I10", "I30") == {}


def test_a_client_who_moves_an_approved_session_asks_again(make_studio):
    studio = make_studio(requires_approval=True)
    booking = bring(studio, "confirmed")

    do(studio, reschedule_booking, booking, start_time=TUESDAY_TEN, by="client")

    assert row_of(studio, booking).status == "pending"
    assert broken("I30") == {}


# -- the time for it


@pytest.mark.parametrize(
    ("action", "too_early", "in_time"),
    [
        ("check-in", MONDAY_TEN.replace(hour=0) - HOUR - timedelta(seconds=1), MONDAY_TEN.replace(hour=0) - HOUR),  # local midnight
        ("complete", MONDAY_TEN - timedelta(seconds=1), MONDAY_TEN),
        ("no-show", MONDAY_TEN + timedelta(minutes=15, seconds=-1), MONDAY_TEN + timedelta(minutes=15)),
    ],
)
def test_what_cannot_have_happened_yet_is_refused(studio, action, too_early, in_time):
    booking = book(studio)
    before = everything(studio)

    with pytest.raises(TooEarly):
        act(studio, action, booking, at=too_early)

    assert everything(studio) == before
    act(studio, action, booking, at=in_time)


@pytest.mark.parametrize("action", ["check-in", "complete"])
def test_staff_may_override_the_time_with_a_reason(studio, action):
    booking = book(studio)

    act(studio, action, booking, at=SOON, override=Override("came a day early"))

    assert events_of(studio, booking)[-1].changes["override_reason"] == [None, "came a day early"]


def test_confirming_a_lapsed_hold_is_refused(studio):
    booking = bring(studio, "held")
    before = everything(studio)

    for service, options in ((confirm_booking, {}), (reschedule_booking, {"start_time": TUESDAY_TEN})):
        with pytest.raises(HoldExpired) as refused:
            do(studio, service, booking, at=booking.hold_expires_at, **options)
        assert refused.value.extras["expired_at"] == booking.hold_expires_at.isoformat()
    assert everything(studio) == before
    do(studio, confirm_booking, booking, at=booking.hold_expires_at - timedelta(microseconds=1))


# -- doctor (I30)


def seed(studio, booking, **changes):
    """Change a row behind the services' back, with its history."""
    with account_scope(studio.account):
        row = Booking.objects.get(pk=booking.pk)
        for name, value in changes.items():
            setattr(row, name, value)
        row.save(update_fields=list(changes))


@pytest.mark.parametrize(
    ("before", "after"), [("completed", "confirmed"), ("no_show", "completed"), ("pending", "checked_in"), ("confirmed", "held")]
)
def test_doctor_finds_a_forbidden_step(make_studio, before, after):
    studio = make_studio(requires_approval=True)
    booking = bring(studio, before)
    assert broken("I30") == {}

    seed(studio, booking, status=after)

    assert broken("I30") == {"I30": [(booking.pk,)]}


@pytest.mark.parametrize("change", [{"status": "completed"}, {"version": 9}, {"version": 1}])
def test_doctor_finds_a_row_that_its_history_does_not_know(studio, change):
    booking = book(studio)

    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(**change)

    assert broken("I30") == {"I30": [(booking.pk,)]}


def test_doctor_finds_a_session_that_was_not_born_a_draft(studio):
    booking = book(studio)
    with account_scope(studio.account):
        first = booking.history.order_by("history_id").first()
        first.status = "completed"
        first.save()

    assert broken("I30") == {"I30": [(booking.pk,)]}


def test_doctor_finds_money_that_does_not_add_up(studio):
    booking = studio.draft()
    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(price_cents=4999)

    assert broken("I06", "I06.lines") == {"I06": [(booking.order_id,)]}
