"""Who hears what about tickets, and that nobody reads in a mail what was meant for others."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from apps.accounts.models import Membership, Role
from apps.bookings.models import Side
from apps.core import jobs
from apps.core.events import acting, event_type
from apps.core.tenancy import account_scope
from apps.notifications.models import Delivery, Notification
from apps.sites.services import remove_site_from_customer
from apps.tickets.models import Ticket
from apps.tickets.services import add_attachment, add_message, assign_ticket, log_time, open_ticket, step
from apps.tickets.tasks import announce_overdue_tickets
from apps.users.models import User
from factories.files import picture
from tests.notifications.hearing import employ, hear, told
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW, Studio
from tests.tickets.asking import HOUR, MONDAY_NINE, own

pytestmark = pytest.mark.django_db(transaction=True)
XSS = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


class People:
    """The client, an owner and a member at the desk; what each hears since the last time."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.client = become(studio).user
        self.practitioner, self.owner, self.desk = employ(studio), employ(studio, Role.OWNER), employ(studio, Role.FRONT_DESK)
        with account_scope(studio.account):
            self.desk_member = Membership.objects.get(user=self.desk)
        self.seen = 0

    def act(self, who: User, service: Any, thing: Any, **options: Any) -> Any:
        """A service called by one of them."""
        with account_scope(self.studio.account), acting(who.pk, "customer" if who == self.client else "staff"), transaction.atomic():
            return service(thing, **options)

    def hear(self) -> dict[str, list[str]]:
        """{who: kinds of what they are told now}, without those who hear nothing."""
        hear(self.studio)
        with account_scope(self.studio.account):
            last = Notification.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        people = {"client": self.client, "owner": self.owner, "desk": self.desk, "practitioner": self.practitioner}
        found = {name: [kind for kind, _ in told(self.studio, user, since=self.seen)] for name, user in people.items()}
        self.seen = last
        return {name: kinds for name, kinds in found.items() if kinds}

    def written(self) -> str:
        """Everything that was written to anybody."""
        with account_scope(self.studio.account):
            notes = list(Notification.objects.values_list("title", "message", "data"))
            return str(notes) + str(list(Delivery.objects.values_list("subject", "text", "html")))


@pytest.fixture
def people(studio: Studio) -> People:
    return People(studio)


def opened(people: People, **options: Any) -> Ticket:
    words = {"subject": "The form", "description": "DESCRIPTION"}
    return people.act(people.client, open_ticket, people.studio.client, **{**words, "by": Side.CLIENT, **options})


def test_what_each_side_hears(people: People) -> None:
    ticket = opened(people)
    assert people.hear() == {"owner": ["ticket_opened"]}
    people.act(people.owner, assign_ticket, ticket, assignee=people.desk_member)
    assert people.hear() == {"desk": ["ticket_opened"]}
    people.act(people.client, add_message, ticket, body="Are you there?", by=Side.CLIENT)
    assert people.hear() == {"desk": ["ticket_replied"]}  # who looks after it, and not the managers
    people.act(people.desk, add_message, ticket, body="Yes.")
    assert people.hear() == {"client": ["ticket_replied"]}  # one message, though it was started, too
    people.act(people.desk, add_message, ticket, body="INTERNAL words", is_internal=True)
    people.act(people.desk, add_attachment, ticket, name="INTERNAL.png", content=picture(), is_internal=True)
    assert people.hear() == {}
    people.act(people.desk, add_attachment, ticket, name="shared.png", content=picture())
    assert people.hear() == {"client": ["ticket_replied"]}
    for action in ("wait", "start", "resolve", "reopen", "close"):
        people.act(people.desk, step, ticket, action=action)
        assert people.hear() == {"client": ["ticket_status"]}
    people.act(people.client, step, ticket, action="reopen", by=Side.CLIENT)
    people.act(people.client, step, ticket, action="close", by=Side.CLIENT)
    assert people.hear() == {"desk": ["ticket_status", "ticket_status"]}

    written = people.written()
    assert "The form" in written
    for text in ("INTERNAL", "DESCRIPTION", "Are you there?"):
        assert text not in written


def test_a_ticket_that_staff_open_for_a_client(people: People) -> None:
    people.act(people.owner, open_ticket, people.studio.client, subject="The form", description="She called.", assignee=people.desk_member)

    assert people.hear() == {"client": ["ticket_opened"], "desk": ["ticket_opened"]}


def test_an_owner_of_the_past_hears_no_more(people: People) -> None:
    ownership = own(people.studio)
    ticket = opened(people, ownership=ownership)
    people.act(people.owner, add_message, ticket, body="We look at it.")
    assert people.hear()["client"] == ["ticket_replied"]  # the control
    with account_scope(people.studio.account), transaction.atomic():
        remove_site_from_customer(ownership.site, customer=ownership.customer)

    people.act(people.owner, add_message, ticket, body="Done.")
    people.act(people.owner, step, ticket, action="resolve")

    assert "ticket_replied" not in people.hear().get("client", [])


def test_work_that_was_done_is_no_new_appointment(people: People) -> None:
    people.studio.sell()
    ticket = opened(people)
    people.hear()

    start = {"practitioner": people.studio.practitioner, "start_time": MONDAY_TEN - 20 * HOUR, "at": MONDAY_TEN}
    people.act(people.desk, log_time, ticket, **start)

    assert people.hear() == {"client": ["ticket_status"], "practitioner": ["ticket_status"]}


def test_the_job_tells_of_every_overdue_ticket(people: People) -> None:
    first, second = (opened(people, priority="urgent", at=MONDAY_NINE) for _ in range(2))
    people.act(people.owner, assign_ticket, second, assignee=people.desk_member)
    people.hear()

    with time_machine.travel(MONDAY_NINE + 2 * HOUR, tick=True):
        assert [announce_overdue_tickets(timestamp=0), announce_overdue_tickets(timestamp=0)] == [2, 0]
    assert people.hear() == {"owner": ["ticket_overdue"], "desk": ["ticket_overdue"]}
    with time_machine.travel(MONDAY_NINE + timedelta(days=2), tick=True):
        assert announce_overdue_tickets(timestamp=0) == 2
    assert people.hear() == {"owner": ["ticket_overdue"], "desk": ["ticket_overdue"]}
    assert first.number + 1 == second.number
    jobs.run_pending()


def test_markup_in_a_subject_is_text_in_mails(people: People) -> None:
    opened(people, subject=f"{XSS} & co")
    people.hear()

    with account_scope(people.studio.account):
        pages = list(Delivery.objects.exclude(html="").values_list("html", flat=True))
    assert pages
    assert all(XSS not in page and "&lt;script&gt;" in page for page in pages)


def test_what_staff_do_among_themselves_leaves_by_no_webhook() -> None:
    inside = ("ticket.note_added", "ticket.internal_attachment_added", "ticket.attachment_deleted")

    assert [event_type(name).public for name in inside] == [False, False, False]
    assert event_type("ticket.replied").public
