"""Many at once at one ticket: each lock, and what happens without it."""

import time
from collections import Counter
from typing import Any

import pytest

from apps.core.errors import DomainError
from apps.core.tenancy import account_scope
from apps.tickets.models import Ticket, TicketMessage, TicketTime
from apps.tickets.services import add_message, log_time, open_ticket, talk
from apps.tickets.services import time as time_service
from tests.bookings.life import broken
from tests.notifications.hearing import together
from tests.studio import MONDAY_TEN, Studio, open_studio
from tests.tickets.asking import HOUR, MONDAY_NINE, ask, log, stored

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 6


def log_together(studio: Studio, ticket: Ticket) -> Counter[str]:
    """Six people log an hour each of three that were bought; what each was told."""
    starts = iter([MONDAY_TEN - (20 + n) * HOUR for n in range(THREADS)])

    def once() -> str:
        try:
            with account_scope(studio.account):
                log_time(ticket, practitioner=studio.practitioner, start_time=next(starts), at=MONDAY_TEN)
        except DomainError as error:
            return error.code
        return "logged"

    return Counter(together(once, THREADS))


@pytest.fixture
def slow_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time between choosing a session and taking it, so that whatever can come between does."""
    choose = time_service.next_session

    def slowly(**options: Any) -> Any:
        found = choose(**options)
        time.sleep(0.2)
        return found

    monkeypatch.setattr(time_service, "next_session", slowly)


def test_every_session_is_used_up_once(slow_choice: None) -> None:
    studio = open_studio()
    studio.sell()
    ticket = ask(studio)

    assert log_together(studio, ticket) == {"logged": 3, "no_sessions_left": 3}
    with account_scope(studio.account):
        assert len(set(TicketTime.objects.values_list("booking_id", flat=True))) == 3
    assert broken("I24.time", "I24.parts", "I01") == {}


def test_without_queueing_up_they_choose_the_same_session(slow_choice: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: somebody is turned away though sessions are left."""
    monkeypatch.setattr(time_service, "_queue_up", lambda *args: None)
    studio = open_studio()
    studio.sell()

    assert log_together(studio, ask(studio))["logged"] < 3


def answer_together(studio: Studio, ticket: Ticket, monkeypatch: pytest.MonkeyPatch, lock: Any) -> int:
    """Six first answers at once; how often the ticket was started by them."""

    def slowly(thing: Ticket) -> Ticket:
        found = lock(thing)
        time.sleep(0.1)
        return found

    monkeypatch.setattr(talk, "lock_ticket", slowly)

    def once() -> None:
        with account_scope(studio.account):
            add_message(ticket, body="We look at it.", at=MONDAY_NINE)

    together(once, THREADS)
    return len(log(studio.account, "ticket.status_changed"))


def test_one_first_answer_starts_a_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = open_studio()
    ticket = ask(studio)

    assert answer_together(studio, ticket, monkeypatch, talk.lock_ticket) == 1
    with account_scope(studio.account):
        assert TicketMessage.objects.count() == THREADS
    assert stored(ticket).first_answered_at == MONDAY_NINE


def test_without_the_lock_it_is_started_by_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    studio = open_studio()

    assert answer_together(studio, ask(studio), monkeypatch, lambda ticket: Ticket.objects.get(pk=ticket.pk)) > 1


def test_numbers_have_no_gaps_and_no_doubles() -> None:
    studio = open_studio()

    def once() -> int:
        with account_scope(studio.account):
            return open_ticket(studio.client, subject="a", description="b").number

    assert sorted(together(once, THREADS)) == list(range(1, THREADS + 1))
