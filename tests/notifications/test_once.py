"""One change is one notification per person and channel, also when its handler runs ten times at the same moment."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connection, transaction

from apps.core import jobs
from apps.core.db import rows
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.notifications.catalogue import TO_CLIENTS
from apps.notifications.handlers import tell_people
from apps.notifications.models import Channel, Delivery, Kind, Notification, Preference
from apps.notifications.recipients import client_reader
from apps.notifications.services.telling import LIVE_CHANNEL, tell
from factories.users import UserFactory
from tests.notifications.hearing import employ, hear, together, told, written
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


def sold(studio: Studio) -> Event:
    """The event that speaks for a sale with a start."""
    become(studio)
    employ(studio)
    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    with account_scope(studio.account):
        return Event.objects.get(type="booking.scheduled")


def at_ten_desks(studio: Studio, event: Event) -> tuple[int, int]:
    """(notifications, deliveries) after the handler has run ten times at once."""

    def run() -> None:
        with account_scope(studio.account), transaction.atomic():
            tell_people(event)

    together(run)
    return len(told(studio)), len(written(studio))


@pytest.mark.slow
def test_ten_handlers_at_once_write_one_of_each(studio: Studio) -> None:
    counted = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'notifications.send'"  # jobs of other tests may be left
    event, before = sold(studio), rows(counted)[0][0]
    assert at_ten_desks(studio, event) == (2, 2)  # the client and the practitioner, inside and by mail
    assert rows(counted)[0][0] - before == 2


@pytest.mark.slow
def test_without_the_unique_keys_they_write_ten(studio: Studio) -> None:
    """The negative control."""
    event = sold(studio)
    keys = (("notifications_notification", "notifications_notification_once"), ("notifications_delivery", "notifications_delivery_once"))
    columns = {"notifications_notification": "account_id, user_id, key", "notifications_delivery": "account_id, key, channel, address"}
    with connection.cursor() as cursor:
        for table, name in keys:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    try:
        assert at_ten_desks(studio, event) == (20, 20)
    finally:
        with platform_scope("test"), connection.cursor() as cursor:
            cursor.execute("DELETE FROM notifications_notification")
            cursor.execute("DELETE FROM notifications_delivery")
        with connection.cursor() as cursor:
            for table, name in keys:
                cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE ({columns[table]})")


def test_the_whole_way_by_the_queue(studio: Studio, mailoutbox: list[Any]) -> None:
    """From the sale to the sent mail, with nothing but the worker; worked off twice, nothing happens twice."""
    event = sold(studio)
    jobs.run_pending()
    with account_scope(studio.account):
        assert [one.state for one in Delivery.objects.all()] == ["sent", "sent"]
    assert sorted(mail.to[0] for mail in mailoutbox) == sorted([studio.client.customer.user.email, written(studio)[1].address])

    hear(studio, times=3)
    jobs.run_pending()

    assert len(mailoutbox) == 2
    assert len(told(studio)) == 2
    assert event.pk


def test_nothing_is_told_when_the_change_is_taken_back(studio: Studio) -> None:
    become(studio)

    def fail() -> None:
        with account_scope(studio.account), transaction.atomic():
            studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
            raise RuntimeError("the request fails after the sale")

    with pytest.raises(RuntimeError):
        fail()
    jobs.run_pending()

    assert (told(studio), written(studio)) == ([], [])


def test_listeners_hear_of_new_notifications_once_and_only_after_the_commit(studio: Studio) -> None:
    event = sold(studio)
    settings = connection.get_connection_params()
    heard: list[str] = []
    parameters = {name: settings[name] for name in ("dbname", "user", "password", "host", "port") if settings.get(name)}
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute(f"LISTEN {LIVE_CHANNEL}")
        with account_scope(studio.account), transaction.atomic():
            tell_people(event)
            heard += [one.payload for one in listener.notifies(timeout=0.3)]
            assert heard == []
        heard += [one.payload for one in listener.notifies(timeout=2, stop_after=2)]
        hear(studio)
        heard += [one.payload for one in listener.notifies(timeout=0.3)]
    with account_scope(studio.account):
        assert sorted(heard) == sorted(f"{user_id}:{pk}" for pk, user_id in Notification.objects.values_list("pk", "user_id"))
    assert len(heard) == 2


# -- channels


def remind(studio: Studio, key: str = "reminder:1", **options: Any) -> Any:
    with account_scope(studio.account), transaction.atomic():
        reader = client_reader(type(studio.client).objects.select_related("customer__user").get(pk=studio.client.pk), studio.account)
        facts = {"service": "Massage", "practitioner": "Ana", "when": "soon", "booking_id": 7}
        return tell(studio.account, key=key, message=TO_CLIENTS["booking_reminder"], recipients=[reader], facts=facts, **options)


def test_a_call_may_name_its_channels(studio: Studio) -> None:
    user = become(studio).user
    first = remind(studio, channels=[Channel.EMAIL])
    again = remind(studio, channels=[Channel.EMAIL])
    inside = remind(studio, channels=[Channel.IN_APP])

    assert (len(first.deliveries), len(first.notifications)) == (1, 0)
    assert (again.deliveries, again.notifications) == ([], [])
    assert (inside.deliveries, len(inside.notifications)) == ([], 1)
    assert told(studio, user) == [(Kind.BOOKING_REMINDER, "Massage with Ana takes place on soon.")]


def test_what_somebody_has_switched_off_does_not_reach_them(studio: Studio) -> None:
    user = become(studio).user
    Preference.objects.create(user=user, kind=Kind.BOOKING_REMINDER, channel=Channel.EMAIL, is_enabled=False)
    Preference.objects.create(user=user, kind=Kind.BOOKING_REMINDER, channel=Channel.IN_APP, is_enabled=False)
    Preference.objects.create(user=UserFactory(), kind=Kind.BOOKING_REMINDER, channel=Channel.SMS, is_enabled=False)
    with account_scope(studio.account):
        studio.client.phone_number = "+4930123456"
        studio.client.save()

    remind(studio)

    assert told(studio) == []
    assert [(one.channel, one.address) for one in written(studio)] == [(Channel.SMS, "+4930123456")]
    assert written(studio)[0].text == "Berlin Studio: Massage with Ana takes place on soon."
    assert (written(studio)[0].html, written(studio)[0].subject) == ("", "")


def test_a_client_who_was_merged_is_written_to_as_the_one_who_is_left(studio: Studio) -> None:
    other = studio.other_client()
    with account_scope(studio.account):
        studio.client.merged_into = other
        studio.client.save()

    remind(studio)

    assert [one.client_id for one in written(studio)] == [other.pk]
    assert [one.address for one in written(studio)] == [other.email]


def test_a_login_that_was_switched_off_is_written_to_as_a_client_without_one(studio: Studio) -> None:
    user = become(studio).user
    user.is_active = False
    user.save()

    remind(studio)

    assert told(studio) == []
    assert [(one.user_id, one.address) for one in written(studio)] == [(None, studio.client.email)]


def test_the_language_of_people_without_a_login_is_the_accounts(studio: Studio) -> None:
    with account_scope(studio.account):
        studio.account.settings = {"language": "de"}
        studio.account.save()

    remind(studio)

    assert written(studio)[0].subject == "Erinnerung: Massage"
