"""The life of a ticket, its promises, and the time that it takes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import Role
from apps.bookings.errors import FileTypeRefused, LimitReached, NoSessionsLeft
from apps.bookings.models import Booking, Side
from apps.bookings.models import Status as BookingStatus
from apps.bookings.services.documents import add_document
from apps.core.errors import Invalid, InvalidTransition
from apps.core.tenancy import account_scope
from apps.sites.errors import SiteNotOwned
from apps.sites.services import remove_site_from_customer
from apps.tickets.errors import ReopeningOver
from apps.tickets.models import Status, Ticket
from apps.tickets.services import (
    add_attachment,
    add_message,
    announce_overdue,
    assign_ticket,
    change_ticket,
    delete_attachment,
    log_time,
    open_ticket,
    step,
)
from apps.tickets.services.talk import MAX_ATTACHMENTS
from factories.accounts import MembershipFactory
from factories.clients import ClientFactory
from factories.files import picture
from factories.scheduling import TimeOffFactory
from factories.tickets import SlaTargetFactory, SupportHoursFactory, TicketAttachmentFactory, TicketCategoryFactory
from tests.bookings.life import broken
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW, Studio
from tests.tickets.asking import HOUR, MONDAY_NINE, ask, do, log, own, stored

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


# -- opening


def test_numbers_count_in_the_account(studio: Studio, make_studio: Any) -> None:
    elsewhere = make_studio()

    assert [ask(studio).number, ask(studio).number, ask(elsewhere).number] == [1, 2, 1]


def test_a_ticket_about_a_site_needs_its_owner(studio: Studio) -> None:
    become(studio)
    ownership = own(studio)
    ticket = ask(studio, ownership=ownership)
    assert (ticket.site_id, ticket.ownership_id) == (ownership.site_id, ownership.pk)

    somebody = ClientFactory(account=studio.account)
    with account_scope(studio.account):
        with pytest.raises(SiteNotOwned), transaction.atomic():
            open_ticket(somebody, subject="a", description="b", ownership=ownership)
        remove_site_from_customer(ownership.site, customer=ownership.customer, at=MONDAY_NINE)
        with pytest.raises(SiteNotOwned), transaction.atomic():
            open_ticket(studio.client, subject="a", description="b", ownership=ownership)
    assert broken("I24", "I24.answers", "I24.parts", "I18.tickets") == {}


def test_the_doctor_finds_a_ticket_of_somebody_who_did_not_own_the_site(studio: Studio) -> None:
    become(studio)
    ticket = ask(studio, ownership=own(studio, since=NOW))

    with account_scope(studio.account):
        Ticket.objects.filter(pk=ticket.pk).update(opened_at=NOW - DAY)

    assert broken("I24") == {"I24": [(ticket.pk,)]}


def test_categories_bind_where_there_are_some(studio: Studio) -> None:
    assert ask(studio, category="anything at all").category == "anything at all"
    for name in ("Question", "Change"):
        TicketCategoryFactory(account=studio.account, name=name)
    TicketCategoryFactory(account=studio.account, name="Old", is_active=False)

    assert ask(studio, category="Change").category == "Change"
    assert ask(studio).category == ""
    for unknown in ("Old", "change"):
        with pytest.raises(Invalid) as refused:
            ask(studio, category=unknown)
        assert refused.value.fields == {"category": ["Choose one of: Change, Question."]}


def test_whoever_left_looks_after_nothing(studio: Studio) -> None:
    gone = MembershipFactory(account=studio.account, role=Role.MANAGER, is_active=False)

    with pytest.raises(Invalid):
        ask(studio, assignee=gone)
    with pytest.raises(Invalid):
        do(studio.account, assign_ticket, ask(studio), assignee=gone)


# -- states


STATES = {
    Status.OPEN: [],
    Status.IN_PROGRESS: ["start"],
    Status.WAITING: ["wait"],
    Status.RESOLVED: ["resolve"],
    Status.CLOSED: ["close"],
}


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        (Status.OPEN, {"start": "in_progress", "wait": "waiting", "resolve": "resolved", "close": "closed"}),
        (Status.IN_PROGRESS, {"wait": "waiting", "resolve": "resolved", "close": "closed"}),
        (Status.WAITING, {"start": "in_progress", "resolve": "resolved", "close": "closed"}),
        (Status.RESOLVED, {"close": "closed", "reopen": "open"}),
        (Status.CLOSED, {"reopen": "open"}),
    ],
)
def test_what_leads_where(studio: Studio, state: Status, allowed: dict[str, str]) -> None:
    for action in ("start", "wait", "resolve", "close", "reopen"):
        ticket = ask(studio)
        for before in STATES[state]:
            do(studio.account, step, ticket, action=before, at=MONDAY_NINE)
        if action in allowed:
            assert do(studio.account, step, ticket, action=action, at=MONDAY_NINE).status == allowed[action]
        else:
            with pytest.raises(InvalidTransition) as refused:
                do(studio.account, step, ticket, action=action, at=MONDAY_NINE)
            assert refused.value.extras == {"allowed_actions": list(allowed)}


def test_a_client_reopens_within_fourteen_days_of_the_end(studio: Studio) -> None:
    ticket = ask(studio)
    do(studio.account, step, ticket, action="resolve", at=MONDAY_NINE)
    do(studio.account, step, ticket, action="close", at=MONDAY_NINE + 10 * DAY)  # the end stays where it was

    late = MONDAY_NINE + 14 * DAY + timedelta(seconds=1)
    with pytest.raises(ReopeningOver) as refused:
        do(studio.account, step, ticket, action="reopen", by=Side.CLIENT, at=late)
    assert refused.value.extras == {"possible_until": (MONDAY_NINE + 14 * DAY).isoformat()}
    assert do(studio.account, step, ticket, action="reopen", by=Side.CLIENT, at=MONDAY_NINE + 14 * DAY).resolved_at is None
    with pytest.raises(InvalidTransition):
        do(studio.account, step, ticket, action="resolve", by=Side.CLIENT)


# -- promises


def due(ticket: Ticket) -> tuple[Any, Any]:
    found = stored(ticket)
    return found.first_answer_due_at, found.solution_due_at


def test_promises_by_priority_and_by_what_the_account_says(studio: Studio) -> None:
    assert due(ask(studio)) == (MONDAY_NINE + 8 * HOUR, MONDAY_NINE + 10 * DAY + 8 * HOUR)  # 72 hours are nine working days
    assert due(ask(studio, priority="urgent")) == (MONDAY_NINE + HOUR, MONDAY_NINE + 8 * HOUR)
    SlaTargetFactory(account=studio.account, priority="urgent", first_answer_minutes=30, solution_minutes=120)
    assert due(ask(studio, priority="urgent")) == (MONDAY_NINE + HOUR / 2, MONDAY_NINE + 2 * HOUR)
    SupportHoursFactory(account=studio.account, weekday=2)  # Wednesdays from 08:00
    TimeOffFactory(account=studio.account, practitioner=None, starts_at=MONDAY_NINE + 2 * DAY, ends_at=MONDAY_NINE + 2 * DAY + HOUR)
    assert due(ask(studio, priority="urgent"))[1] == MONDAY_NINE + 2 * DAY + 2 * HOUR  # 08:00 to 09:00, an hour closed, one more


def test_the_clock_stands_while_the_client_is_waited_for(studio: Studio) -> None:
    ticket = ask(studio, priority="urgent")  # an hour to the answer, eight to the solution
    do(studio.account, step, ticket, action="wait", at=MONDAY_NINE + HOUR / 2)
    assert due(ticket) == (None, None)

    do(studio.account, add_message, ticket, body="Here it is.", by=Side.CLIENT, at=MONDAY_NINE + 2 * DAY)

    assert stored(ticket).status == Status.IN_PROGRESS
    assert due(ticket) == (MONDAY_NINE + 2 * DAY + HOUR / 2, MONDAY_NINE + 2 * DAY + 7.5 * HOUR)


def test_another_priority_counts_from_the_beginning(studio: Studio) -> None:
    ticket = ask(studio)
    do(studio.account, change_ticket, ticket, priority="urgent", subject="Now it is urgent", at=MONDAY_NINE + 4 * HOUR)

    assert due(ticket) == (MONDAY_NINE + HOUR, MONDAY_NINE + 8 * HOUR)
    assert log(studio.account, "ticket.updated") == [
        ("ticket.updated", {"fields": [None, ["priority", "subject"]], "priority": ["normal", "urgent"]})
    ]


def test_a_reopened_ticket_goes_on_where_it_stopped(studio: Studio) -> None:
    ticket = ask(studio, priority="urgent")
    do(studio.account, add_message, ticket, body="Done.", at=MONDAY_NINE + HOUR / 2)
    do(studio.account, step, ticket, action="resolve", at=MONDAY_NINE + 3 * HOUR)
    assert due(ticket) == (MONDAY_NINE + HOUR, MONDAY_NINE + 8 * HOUR)  # how it was meant stays to be read

    do(studio.account, add_message, ticket, body="It is not.", by=Side.CLIENT, at=MONDAY_NINE + DAY)

    assert stored(ticket).status == Status.OPEN
    assert due(ticket) == (MONDAY_NINE + HOUR, MONDAY_NINE + DAY + 5 * HOUR)
    assert stored(ticket).first_answered_at == MONDAY_NINE + HOUR / 2


def test_what_is_overdue_is_said_once(studio: Studio) -> None:
    ticket = ask(studio, priority="urgent")

    def announce(at: Any) -> int:
        return do(studio.account, announce_overdue, ticket.pk, at=at)

    assert [announce(MONDAY_NINE + HOUR - timedelta(seconds=1)), announce(MONDAY_NINE + HOUR), announce(MONDAY_NINE + 2 * HOUR)] == [
        0,
        1,
        0,
    ]
    assert announce(MONDAY_NINE + 8 * HOUR) == 1
    assert [changes["what"][1] for _, changes in log(studio.account, "ticket.overdue")] == ["first_answer", "solution"]
    # A new promise that is broken, too, is news.
    do(studio.account, change_ticket, ticket, priority="low", at=MONDAY_NINE + 9 * HOUR)
    do(studio.account, change_ticket, ticket, priority="urgent", at=MONDAY_NINE + 9 * HOUR)
    assert announce(MONDAY_NINE + 9 * HOUR) == 2


def test_an_answer_in_time_is_not_overdue(studio: Studio) -> None:
    ticket = ask(studio, priority="urgent")
    do(studio.account, add_message, ticket, body="They are difficult.", is_internal=True, at=MONDAY_NINE)
    assert stored(ticket).first_answered_at is None  # staff among themselves are no answer

    do(studio.account, add_message, ticket, body="We look at it.", at=MONDAY_NINE + HOUR / 2)

    assert (stored(ticket).status, stored(ticket).first_answered_at) == (Status.IN_PROGRESS, MONDAY_NINE + HOUR / 2)
    assert do(studio.account, announce_overdue, ticket.pk, at=MONDAY_NINE + 2 * HOUR) == 0
    assert broken("I24.answers") == {}


# -- talk


def test_the_first_answer_is_the_earliest_of_those_who_answer_at_once(studio: Studio) -> None:
    """Each has read the clock before it waited for the other."""
    ticket = ask(studio)
    do(studio.account, add_message, ticket, body="Second", at=MONDAY_NINE + 2 * HOUR)
    do(studio.account, add_message, ticket, body="First", at=MONDAY_NINE + HOUR)

    assert stored(ticket).first_answered_at == MONDAY_NINE + HOUR
    assert broken("I24.answers") == {}


def test_nobody_writes_to_a_closed_ticket(studio: Studio) -> None:
    ticket = ask(studio)
    do(studio.account, step, ticket, action="close", at=MONDAY_NINE)

    for by, offered in ((Side.PROVIDER, ["reopen"]), (Side.CLIENT, ["reopen"])):
        with pytest.raises(InvalidTransition) as refused:
            do(studio.account, add_message, ticket, body="One more thing", by=by, at=MONDAY_NINE)
        assert refused.value.extras == {"allowed_actions": offered}
    with pytest.raises(InvalidTransition):
        do(studio.account, add_attachment, ticket, name="a.png", content=picture())
    do(studio.account, add_message, ticket, body="For us", is_internal=True)
    with pytest.raises(Invalid):
        do(studio.account, add_message, ticket, body="For me", is_internal=True, by=Side.CLIENT)


def test_a_client_is_not_offered_to_reopen_what_ended_long_ago(studio: Studio) -> None:
    long_ago = ask(studio, at=NOW - 400 * DAY)
    do(studio.account, step, long_ago, action="close", at=NOW - 399 * DAY)

    for service, what in ((add_message, {"body": "Hello?"}), (add_attachment, {"name": "a.png", "content": picture()})):
        with pytest.raises(InvalidTransition) as refused:
            do(studio.account, service, long_ago, by=Side.CLIENT, **what)
        assert refused.value.extras["allowed_actions"] == []


def test_events_say_that_something_was_written_and_not_what(studio: Studio) -> None:
    ticket = ask(studio, subject="Secret subject", description="Secret words")
    do(studio.account, add_message, ticket, body="Secret answer")
    do(studio.account, add_message, ticket, body="Secret note", is_internal=True)
    do(studio.account, add_attachment, ticket, name="secret.png", content=picture(), is_internal=True)

    assert "secret" not in str(log(studio.account)).lower()
    assert [name for name, _ in log(studio.account)] == [
        "ticket.opened",
        "ticket.replied",
        "ticket.status_changed",
        "ticket.note_added",
        "ticket.internal_attachment_added",
    ]


def test_files_are_checked_counted_and_deleted(studio: Studio) -> None:
    ticket = ask(studio)
    with pytest.raises(FileTypeRefused):
        do(studio.account, add_attachment, ticket, name="a.exe", content=b"MZ")
    kept = do(studio.account, add_attachment, ticket, name="C:\\holiday\\beach.png", content=picture())
    assert (kept.name, kept.content_type) == ("beach.png", "image/png")
    for _ in range(MAX_ATTACHMENTS - 1):
        TicketAttachmentFactory(account=studio.account, ticket=ticket)
    with pytest.raises(LimitReached) as refused:
        do(studio.account, add_attachment, ticket, name="b.png", content=picture())
    assert refused.value.extras == {"rule": "attachments_per_ticket"}

    do(studio.account, delete_attachment, kept)
    do(studio.account, add_attachment, ticket, name="b.png", content=picture())


def test_files_of_tickets_and_sessions_share_one_quota(studio: Studio) -> None:
    ticket, booking = ask(studio), studio.draft()
    with account_scope(studio.account):
        studio.account.settings = {"document_quota_mb": 1}
        studio.account.save()
    TicketAttachmentFactory(account=studio.account, ticket=ticket, size=1024 * 1024)

    for service, thing in ((add_attachment, ticket), (add_document, booking)):
        with pytest.raises(LimitReached) as refused:
            do(studio.account, service, thing, name="a.png", content=picture())
        assert refused.value.extras == {"rule": "document_quota_mb"}


# -- time


def logged(studio: Studio, ticket: Ticket, **options: Any) -> Any:
    start = {"practitioner": studio.practitioner, "start_time": MONDAY_TEN - 20 * HOUR, "at": MONDAY_TEN}  # on a Sunday
    return do(studio.account, log_time, ticket, **{**start, **options})


def test_time_uses_up_a_session_of_the_package(studio: Studio) -> None:
    sale, ticket = studio.sell(), ask(studio)

    entry = logged(studio, ticket, minutes=25, note="Looked at the logs")

    with account_scope(studio.account):
        booking = Booking.objects.get(pk=entry.booking_id)
        states = list(Booking.objects.filter(order=sale.order).order_by("position").values_list("status", flat=True))
    assert (booking.status, booking.start_time, booking.practitioner_id) == (
        BookingStatus.COMPLETED,
        MONDAY_TEN - 20 * HOUR,
        studio.practitioner.pk,
    )
    assert (booking.override_reason, entry.minutes, states) == ("Ticket 1", 25, ["completed", "draft", "draft"])
    assert log(studio.account, "ticket.time_logged")[0][1] == {
        "time": [None, entry.pk],
        "booking": [None, booking.pk],
        "practitioner": [None, studio.practitioner.pk],
        "minutes": [None, 25],
    }
    assert broken("I24.time", "I24.parts", "I01", "I03", "I06") == {}


def test_time_that_cannot_be_drawn(studio: Studio) -> None:
    ticket = ask(studio)
    with pytest.raises(NoSessionsLeft):
        logged(studio, ticket)
    sale, theirs = studio.sell(), studio.sell(client=studio.other_client())

    for options, field in (
        ({"order": theirs.order}, "order"),
        ({"minutes": 61}, "minutes"),
        ({"start_time": MONDAY_TEN - HOUR / 2}, "start_time"),
    ):
        with pytest.raises(Invalid) as refused:
            logged(studio, ticket, **options)
        assert list(refused.value.fields or {}) == [field]
    with account_scope(studio.account):
        assert set(Booking.objects.filter(order=sale.order).values_list("status", flat=True)) == {"draft"}
