"""What calendar feeds show, and when they fall silent."""

from datetime import datetime, timedelta

import icalendar
import pytest
from django.db import IntegrityError, transaction

from apps.bookings.models import Booking
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import confirm_booking, hold_booking, release_hold, reschedule_booking, schedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.core.errors import Invalid, NotFound
from apps.core.events import acting
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.integrations.errors import TooManyFeeds
from apps.integrations.models import CalendarFeed
from apps.integrations.selectors import content_of, digest_of, feed_with
from apps.integrations.services.feeds import make_feed, revoke_feed, rotate_feed
from factories.accounts import MembershipFactory
from factories.catalog import PractitionerFactory
from factories.clients import ClientFactory
from factories.users import UserFactory
from tests.bookings.life import TUESDAY_TEN, book, bring, do, second_practitioner
from tests.bookings.owned import own
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def feed_of(owner, **options):
    kind = "practitioner" if hasattr(owner, "display_name") else "client"
    with account_scope(owner.account), transaction.atomic():
        return make_feed(**{kind: owner}, **options)


def shown(owner, at=NOW, **options):
    """The events of a feed as [(uid, status, start)]."""
    with account_scope(owner.account), transaction.atomic():
        feed, _ = make_feed(**{"practitioner" if hasattr(owner, "display_name") else "client": owner}, **options)
        content = content_of(feed, owner.account, at)
        transaction.set_rollback(True)
    return [(str(e["UID"]), str(e["STATUS"]), e.start) for e in icalendar.Calendar.from_ical(content.body()).events]


def uid(booking):
    return f"booking-{booking.pk}@{booking.account_id}.clientele.example"


def answers(token, account):
    with account_scope(account):
        return feed_with(token, account.pk) is not None


# -- what is in it


def test_a_session_is_in_the_feeds_of_both_and_of_nobody_else(studio):
    booking = book(studio)

    assert shown(studio.client) == shown(studio.practitioner) == [(uid(booking), "CONFIRMED", MONDAY_TEN)]
    assert shown(studio.other_client()) == shown(PractitionerFactory(account=studio.account)) == []


def test_full_says_who_and_busy_says_when(studio):
    booking = book(studio)
    with account_scope(studio.account):
        full, _ = make_feed(practitioner=studio.practitioner)
        busy, _ = make_feed(practitioner=studio.practitioner, detail="busy")
        own, _ = make_feed(client=studio.client)
        said = {name: content_of(feed, studio.account, NOW) for name, feed in (("full", full), ("busy", busy), ("own", own))}

    assert [s.summary for s in said["full"].sessions] == [f"{studio.service.name} · {studio.client.full_name}"]
    assert [s.summary for s in said["own"].sessions] == [f"{studio.service.name} · {studio.practitioner.display_name}"]
    body = said["busy"].body().decode()
    assert "SUMMARY:Busy\r\n" in body
    assert uid(booking) in body
    assert not any(word in body for word in (studio.service.name, studio.client.full_name, studio.practitioner.display_name))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("draft", []),
        ("held", []),  # not a session yet
        ("confirmed", ["CONFIRMED"]),
        ("checked_in", ["CONFIRMED"]),
        ("completed", ["CONFIRMED"]),
        ("no_show", ["CONFIRMED"]),
        ("forfeited", []),  # it never had a time
    ],
)
def test_which_states_are_shown(studio, status, expected):
    bring(studio, status)

    assert [status for _, status, _ in shown(studio.client, at=MONDAY_TEN + 2 * HOUR)] == expected


def test_a_request_is_tentative(make_studio, account):
    studio = make_studio(account, requires_approval=True)
    bring(studio, "pending")

    assert [status for _, status, _ in shown(studio.client)] == ["TENTATIVE"]


def test_the_window_goes_from_thirty_days_ago_to_a_year_ahead(studio):
    booking = book(studio)
    ends = MONDAY_TEN + HOUR

    def is_shown(at):
        return bool(shown(studio.client, at=at))

    assert [is_shown(ends + 30 * DAY - HOUR), is_shown(ends + 30 * DAY)] == [True, False]
    assert [is_shown(MONDAY_TEN - 365 * DAY + HOUR), is_shown(MONDAY_TEN - 365 * DAY)] == [True, False]
    assert booking.status == "confirmed"


def test_a_moved_session_is_the_same_event(studio):
    booking = book(studio)
    first = sequence_of(studio)

    do(studio, reschedule_booking, booking, start_time=TUESDAY_TEN)

    assert shown(studio.client) == [(uid(booking), "CONFIRMED", TUESDAY_TEN)]
    assert sequence_of(studio) > first


def sequence_of(studio):
    with account_scope(studio.account):
        feed, _ = make_feed(client=studio.client)
        return content_of(feed, studio.account, NOW).sessions[0].version


def test_a_session_that_moves_to_another_practitioner_leaves_the_feed_of_the_first(studio):
    booking, other = book(studio), second_practitioner(studio)

    do(studio, reschedule_booking, booking, start_time=MONDAY_TEN, practitioner=other)

    assert (shown(studio.practitioner), shown(other)) == ([], [(uid(booking), "CONFIRMED", MONDAY_TEN)])


def test_a_cancelled_session_stays_for_thirty_days_as_cancelled(studio):
    booking = book(studio)
    cancelled = do(studio, cancel_booking, booking, by="provider")
    assert cancelled.status == "cancelled"

    for owner in (studio.client, studio.practitioner):
        assert shown(owner, at=NOW + 30 * DAY) == [(uid(booking), "CANCELLED", MONDAY_TEN)]
        assert shown(owner, at=NOW + 30 * DAY + timedelta(seconds=1)) == []


def test_a_session_that_went_back_to_its_package_is_cancelled_for_thirty_days_too(studio):
    booking = book(studio, studio.sell().bookings[0])
    returned = do(studio, cancel_booking, booking)
    assert (returned.status, returned.start_time) == ("draft", None)

    for owner in (studio.client, studio.practitioner):
        assert shown(owner, at=NOW + 30 * DAY) == [(uid(booking), "CANCELLED", MONDAY_TEN)]
        assert shown(owner, at=NOW + 30 * DAY + timedelta(seconds=1)) == []
    assert shown(second_practitioner(studio)) == shown(studio.other_client()) == []

    # Booked again it is the same event at another time.
    do(studio, schedule_booking, returned, practitioner=studio.practitioner, start_time=TUESDAY_TEN)
    assert shown(studio.practitioner) == [(uid(booking), "CONFIRMED", TUESDAY_TEN)]


def test_a_returned_session_that_was_given_away_shows_its_lost_time_to_whose_it_was(studio):
    friend = studio.other_client()
    order = own(studio, transferable=True)
    with account_scope(studio.account):
        first = order.bookings.get(position=1)
    booking = do(studio, cancel_booking, book(studio, first))
    do(studio, transfer_sessions, order, to_client=friend, sessions=[booking.pk])

    assert shown(friend) == []
    assert shown(studio.client) == shown(studio.practitioner) == [(uid(booking), "CANCELLED", MONDAY_TEN)]


def test_a_hold_that_was_given_back_was_never_shown(studio):
    booking = do(studio, hold_booking, studio.draft(), practitioner=studio.practitioner, start_time=MONDAY_TEN)
    do(studio, release_hold, booking)
    package = do(studio, hold_booking, studio.sell().bookings[0], practitioner=studio.practitioner, start_time=MONDAY_TEN)
    assert do(studio, cancel_booking, package).status == "draft"

    assert shown(studio.practitioner) == shown(studio.client) == []


def test_a_hold_after_a_cancellation_does_not_bring_the_cancelled_time_back(studio):
    booking = do(studio, cancel_booking, book(studio, studio.sell().bookings[0]))
    held = do(studio, hold_booking, booking, practitioner=studio.practitioner, start_time=TUESDAY_TEN)
    assert shown(studio.client) == []
    do(studio, confirm_booking, held)

    assert shown(studio.client) == [(uid(booking), "CONFIRMED", TUESDAY_TEN)]


def test_the_etag_is_another_as_soon_as_the_bytes_are_and_only_then(studio):
    booking = book(studio)
    with account_scope(studio.account), transaction.atomic():
        feed, _ = make_feed(client=studio.client)

        def tags(at):
            content = content_of(feed, studio.account, at)
            return content.etag, content.body()

        first = tags(NOW)
        assert tags(NOW + DAY) == first
        booking.payment_status = "paid"
        booking.save(update_fields=["payment_status"])
        assert tags(NOW) == first
        known = {first}
        for change in (
            lambda: reschedule_booking(booking, start_time=TUESDAY_TEN, at=NOW),
            lambda: type(studio.service).objects.filter(pk=studio.service.pk).update(name="Pilates"),
            lambda: type(studio.practitioner).objects.filter(pk=studio.practitioner.pk).update(display_name="Lee"),
            lambda: cancel_booking(Booking.objects.get(pk=booking.pk), by="provider", at=NOW),
            lambda: CalendarFeed.objects.filter(pk=feed.pk).update(detail="busy"),
        ):
            change()
            feed.refresh_from_db()
            known.add(tags(NOW))
        assert len({etag for etag, _ in known}) == len({body for _, body in known}) == 6


@pytest.mark.parametrize("kind", ["practitioner", "client"])
@pytest.mark.parametrize("count", [1, 50])
def test_a_feed_takes_three_statements_whatever_is_in_it(studio, statements, kind, count):
    for number in range(count):
        booking = studio.draft()
        start = MONDAY_TEN + number * DAY
        with account_scope(studio.account):
            times = {"start_time": start, "end_time": start + HOUR, "busy_from": start, "busy_until": start + HOUR, "seat": 1}
            Booking.objects.filter(pk=booking.pk).update(status="confirmed", practitioner=studio.practitioner, **times)
    token = feed_of(getattr(studio, kind))[1]
    with account_scope(studio.account), statements() as made:
        feed = feed_with(token, studio.account.pk)
        content = content_of(feed, studio.account, NOW)

    assert len(content.sessions) == count
    assert len(made()) == 3, made()


# -- the address


def test_only_the_digest_of_a_long_random_token_is_kept(studio):
    feed, token = feed_of(studio.client)
    _, other = feed_of(studio.client)

    assert len(token) >= 43
    assert token != other
    with account_scope(studio.account):
        row = CalendarFeed.objects.values().get(pk=feed.pk)
        log = list(Event.objects.filter(type="calendar_feed.created").values())
    assert row["token_digest"] == digest_of(token)
    assert token not in str(row)
    assert token not in str(log)


def test_a_token_opens_its_own_account_only(studio, other_account):
    _, token = feed_of(studio.client)

    assert answers(token, studio.account)
    assert not answers(token, other_account)
    assert not answers(token + "x", studio.account)
    assert not answers(digest_of(token), studio.account)


def test_rotating_and_revoking_kill_the_old_address(studio):
    feed, first = feed_of(studio.client)
    with account_scope(studio.account), transaction.atomic():
        feed, second = rotate_feed(feed)
    assert (answers(first, studio.account), answers(second, studio.account)) == (False, True)

    with account_scope(studio.account), transaction.atomic():
        revoke_feed(feed, at=NOW)
    assert not answers(second, studio.account)
    for service in (revoke_feed, rotate_feed):
        with account_scope(studio.account), pytest.raises(NotFound), transaction.atomic():
            service(feed)


def test_a_feed_is_of_exactly_one(studio):
    for options in ({}, {"client": studio.client, "practitioner": studio.practitioner}):
        with account_scope(studio.account), pytest.raises(Invalid), transaction.atomic():
            make_feed(**options)
        with account_scope(studio.account), pytest.raises(IntegrityError), transaction.atomic():
            CalendarFeed.objects.create(account=studio.account, token_digest="x", **options)


def test_there_are_ten_at_most_and_revoked_ones_do_not_count(studio):
    feeds = [feed_of(studio.client)[0] for _ in range(10)]
    with pytest.raises(TooManyFeeds):
        feed_of(studio.client)
    feed_of(studio.practitioner)
    with account_scope(studio.account), transaction.atomic():
        revoke_feed(feeds[0])
    feed_of(studio.client)


# -- when it falls silent


def change(row, **fields):
    with account_scope(row.account), transaction.atomic():
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()


def test_the_feed_of_a_practitioner_who_is_switched_off_is_silent(studio):
    _, token = feed_of(studio.practitioner)

    change(studio.practitioner, is_active=False)
    assert not answers(token, studio.account)
    change(studio.practitioner, is_active=True)
    assert answers(token, studio.account)


@pytest.mark.parametrize("what", ["archived", "merged"])
def test_the_feed_of_a_client_who_is_archived_or_merged_is_silent(studio, what):
    _, token = feed_of(studio.client)

    change(studio.client, **({"stage": "archived"} if what == "archived" else {"merged_into": ClientFactory(account=studio.account)}))

    assert not answers(token, studio.account)


@pytest.mark.parametrize("leaving", ["removed", "deactivated", "locked out"])
@pytest.mark.parametrize("whose", ["practitioner", "client"])
def test_what_somebody_made_who_has_left_is_silent(studio, leaving, whose):
    member = MembershipFactory(account=studio.account, role="manager")
    with acting(member.user_id, "staff"):
        _, token = feed_of(getattr(studio, whose))
    assert answers(token, studio.account)

    leave(member, leaving)

    assert not answers(token, studio.account)


def leave(member, leaving):
    with account_scope(member.account), transaction.atomic():
        if leaving == "removed":
            member.delete()
        elif leaving == "deactivated":
            member.is_active = False
            member.save()
        else:
            member.user.is_active = False
            member.user.save()


@pytest.mark.parametrize("leaving", ["removed", "deactivated", "locked out"])
def test_a_practitioner_who_has_left_reads_nothing_though_a_manager_made_the_feed(studio, leaving):
    member, manager = (MembershipFactory(account=studio.account, role=role) for role in ("practitioner", "manager"))
    change(studio.practitioner, member=member)
    with acting(manager.user_id, "staff"):
        _, token = feed_of(studio.practitioner)
    assert answers(token, studio.account)

    leave(member, leaving)

    assert not answers(token, studio.account)


def test_a_clients_own_feed_is_silent_when_they_are_no_longer_this_client(studio):
    customer = become(studio)
    with acting(customer.user_id, "customer"):
        _, token = feed_of(studio.client, by_member=False)
    with acting(UserFactory().pk, "customer"):
        _, foreign = feed_of(studio.client, by_member=False)
    assert (answers(token, studio.account), answers(foreign, studio.account)) == (True, False)

    change(studio.client, customer=None)

    assert not answers(token, studio.account)


def test_dates_of_the_log_are_read_back_as_instants(studio):
    """The control of what a returned session shows: the log keeps its times as text."""
    booking = do(studio, cancel_booking, book(studio, studio.sell().bookings[0]))
    with account_scope(studio.account):
        changes = Event.objects.get(type="booking.cancelled", subject_id=booking.pk).changes
    assert datetime.fromisoformat(changes["start_time"][0]) == MONDAY_TEN
