"""Mails over a real socket: what happens when the server is away, says no, or the worker dies."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import connection

from apps.core import jobs
from apps.core.db import rows
from apps.core.errors import InvalidTransition
from apps.core.tenancy import account_scope, platform_scope
from apps.notifications.models import Channel, Delivery, SenderIdentity
from apps.notifications.services import sending
from apps.notifications.services.sending import PAUSES, claim, empty_old, retry_delivery, send_delivery
from apps.notifications.tasks import send_due
from factories.notifications import DeliveryFactory, SenderIdentityFactory
from tests.fakes.smtp import SmtpFake
from tests.notifications.hearing import hear, send_all, together, written
from tests.payments.cut import DIED
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
SOON = NOW + timedelta(seconds=30)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def smtp(settings: Any) -> Iterator[SmtpFake]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with SmtpFake() as fake:
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", fake.port, 3
        yield fake


def stored(delivery: Delivery) -> Delivery:
    with platform_scope("test"):
        return Delivery._base_manager.get(pk=delivery.pk)


def due_later(at: datetime) -> list[tuple[int, int]]:
    """(account, delivery) that the sweep queues at this moment."""
    with time_machine.travel(at, tick=True):
        send_due(0)
    queued = rows(
        "SELECT args FROM procrastinate_jobs WHERE task_name = 'notifications.send' AND queueing_lock IS NOT NULL AND status = 'todo'"
    )
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    found = [json.loads(args) if isinstance(args, str) else args for (args,) in queued]
    return sorted((one["account_id"], one["delivery_id"]) for one in found)


def test_a_mail_arrives_with_everything_it_needs(studio: Studio, smtp: SmtpFake) -> None:
    SenderIdentityFactory(account=studio.account, sender_name="Salón Ñandú, Berlin", reply_to="hello@studio.example")
    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio)

    assert send_all(studio) == [State.SENT]

    (mail,) = smtp.mails
    row = written(studio)[0]
    assert mail["To"] == studio.client.email
    assert mail["From"].addresses[0].display_name == "Salón Ñandú, Berlin"  # type: ignore[attr-defined]
    assert mail["From"].addresses[0].addr_spec == "no-reply@clientele.example"  # type: ignore[attr-defined]
    assert mail["Reply-To"] == "hello@studio.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == row.message_id == f"<delivery-{row.pk}-{row.message_token}@clientele.example>"
    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == ["text/plain", "text/html", "text/calendar"]
    calendar = next(iter(mail.iter_attachments()))
    assert calendar.get_filename() == "session.ics"
    assert dict(calendar["Content-Type"].params) == {"charset": "utf-8", "method": "PUBLISH"}
    assert "BEGIN:VEVENT" in calendar.get_content()
    assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n").strip() == row.text.strip()  # type: ignore[union-attr]
    assert (row.state, row.attempts, row.error) == (State.SENT, 1, "")


def test_mail_that_is_away_for_an_hour_loses_nothing_and_is_drained_once(studio: Studio, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1  # nobody listens
    made = [DeliveryFactory(account=studio.account) for _ in range(3)]
    minute, ends = NOW, NOW + timedelta(hours=1)
    attempts = 0
    while minute < ends:
        for account_id, pk in due_later(minute):
            with time_machine.travel(minute, tick=True):
                assert send_delivery(account_id, pk) == State.PENDING
            attempts += 1
        minute += timedelta(minutes=1)
    assert attempts == 3 * 4  # at once, and after 1, 5 and 15 minutes

    with SmtpFake() as fake:
        settings.EMAIL_PORT = fake.port
        while minute < ends + timedelta(hours=1):
            for account_id, pk in due_later(minute):
                with time_machine.travel(minute, tick=True):
                    assert send_delivery(account_id, pk) == State.SENT
            minute += timedelta(minutes=1)
        assert sorted(mail["To"] for mail in fake.mails) == sorted(one.address for one in made)


def test_a_server_that_is_busy_is_asked_again_and_one_that_says_no_is_not(studio: Studio, smtp: SmtpFake) -> None:
    busy, refused = DeliveryFactory(account=studio.account), DeliveryFactory(account=studio.account)
    smtp.refuse_with = "451 try later"
    assert send_delivery(studio.account.pk, busy.pk) == State.PENDING
    smtp.refuse_with = "550 no such user"
    assert send_delivery(studio.account.pk, refused.pk) == State.FAILED
    assert stored(refused).error == "recipient refused: 550"
    assert stored(busy).next_attempt_at - NOW - PAUSES[0] < timedelta(minutes=1)  # type: ignore[operator]


def test_a_delivery_fails_for_good_after_its_last_attempt(studio: Studio, smtp: SmtpFake) -> None:
    delivery, at = DeliveryFactory(account=studio.account), SOON
    smtp.refuse_with = "451 try later"
    states, waited = [], []
    for _ in range(len(PAUSES) + 1):
        with time_machine.travel(at, tick=True):
            states.append(send_delivery(studio.account.pk, delivery.pk))
        row = stored(delivery)
        if row.next_attempt_at is not None:
            waited.append(round((row.next_attempt_at - at).total_seconds() / 60))
            at = row.next_attempt_at
    assert states == [State.PENDING] * len(PAUSES) + [State.FAILED]
    assert waited == [1, 5, 15, 60, 180, 720, 1440]
    smtp.refuse_with = ""
    with account_scope(studio.account):
        retry_delivery(delivery)
    with time_machine.travel(at + timedelta(days=9), tick=True):
        assert send_delivery(studio.account.pk, delivery.pk) == State.SENT
    assert len(smtp.mails) == 1


def test_what_is_not_due_or_was_sent_is_left_alone(studio: Studio, smtp: SmtpFake) -> None:
    later = DeliveryFactory(account=studio.account, next_attempt_at=NOW + timedelta(hours=1))
    sent = DeliveryFactory(account=studio.account)
    send_delivery(studio.account.pk, sent.pk)

    assert [send_delivery(studio.account.pk, one.pk) for one in (later, sent)] == ["", ""]
    assert len(smtp.mails) == 1
    with account_scope(studio.account), pytest.raises(InvalidTransition):
        retry_delivery(sent)


def test_a_business_change_stands_when_its_mail_cannot_be_sent(studio: Studio, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    booking = studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN).bookings[0]
    jobs.run_pending()

    with account_scope(studio.account):
        booking.refresh_from_db()
    (delivery,) = written(studio)
    assert (booking.status, delivery.state, delivery.attempts) == ("confirmed", State.PENDING, 1)
    assert delivery.error == "ConnectionRefusedError"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "arrive_before"), [("before the claim is committed", 0), ("between claim and send", 0), ("between send and record", 1)]
)
def test_a_worker_that_is_killed_leaves_the_mail_to_the_next_one(studio: Studio, smtp: SmtpFake, point: str, arrive_before: int) -> None:
    """Before the server took it, it is sent exactly once; after that, again under the same Message-ID, which receivers fold."""
    delivery = DeliveryFactory(account=studio.account)
    job = {"point": point, "ids": [studio.account.pk, delivery.pk], "database": connection.settings_dict["NAME"], "port": smtp.port}
    done = subprocess.run(
        [sys.executable, "-m", "tests.notifications.cut", json.dumps(job)],
        env={**os.environ, "DATA_DIR": str(django_settings.DATA_DIR), "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == DIED, done.stderr[-3000:]
    assert len(smtp.mails) == arrive_before

    # The other process lives by the real clock: what it claimed was claimed in our past, or in our future.
    left = stored(delivery).claimed_at
    later = max(NOW, left or NOW) + timedelta(minutes=11)
    if left is not None:
        assert due_later(left + timedelta(minutes=9)) == []
    assert due_later(later) == [(studio.account.pk, delivery.pk)]
    with time_machine.travel(later, tick=True):
        assert send_delivery(studio.account.pk, delivery.pk) == State.SENT
        assert send_delivery(studio.account.pk, delivery.pk) == ""
    assert len(smtp.mails) == arrive_before + 1
    assert len({mail["Message-ID"] for mail in smtp.mails}) == 1


@pytest.mark.slow
def test_ten_workers_at_once_send_one_mail(studio: Studio, smtp: SmtpFake) -> None:
    delivery = DeliveryFactory(account=studio.account)

    outcomes = together(lambda: send_delivery(studio.account.pk, delivery.pk))

    assert sorted(outcomes) == [""] * 9 + [State.SENT]
    assert (len(smtp.mails), stored(delivery).attempts) == (1, 1)


@pytest.mark.slow
def test_without_the_claim_ten_workers_send_ten_mails(studio: Studio, smtp: SmtpFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    delivery = DeliveryFactory(account=studio.account)
    whole = claim(studio.account.pk, delivery.pk, at=SOON)
    monkeypatch.setattr(sending, "claim", lambda *args, **kwargs: whole)

    together(lambda: send_delivery(studio.account.pk, delivery.pk))

    assert len(smtp.mails) == 10


def test_an_answer_that_comes_too_late_changes_nothing(studio: Studio) -> None:
    """Somebody else has claimed it since."""
    delivery = DeliveryFactory(account=studio.account)
    first = claim(studio.account.pk, delivery.pk, at=SOON)
    second = claim(studio.account.pk, delivery.pk, at=SOON + timedelta(minutes=11))
    assert first is not None
    assert second is not None

    assert sending.record(first.delivery, message_id="<one>", error="", final=False, at=NOW) == ""
    assert sending.record(second.delivery, message_id="<one>", error="", final=False, at=NOW) == State.SENT


def test_a_fault_of_ours_is_an_attempt_and_is_reported(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = DeliveryFactory(account=studio.account)

    def broken(claimed: Any) -> str:
        raise KeyError("a mistake")

    monkeypatch.setattr(sending, "_call", broken)
    with pytest.raises(KeyError):
        send_delivery(studio.account.pk, delivery.pk)

    assert (stored(delivery).state, stored(delivery).error) == (State.PENDING, "KeyError")


def test_words_are_emptied_thirty_days_after_the_end(studio: Studio, smtp: SmtpFake) -> None:
    sent, waiting = DeliveryFactory(account=studio.account), DeliveryFactory(account=studio.account)
    send_delivery(studio.account.pk, sent.pk)

    with platform_scope("test"):
        assert empty_old(NOW + timedelta(days=29), most=10) == 0
        assert empty_old(NOW + timedelta(days=31), most=10) == 1
        assert empty_old(NOW + timedelta(days=31), most=10) == 0

    row = stored(sent)
    assert (row.text, row.html, row.subject, row.attachments, row.address) == ("", "", "", [], sent.address)
    assert stored(waiting).text == waiting.text


@pytest.mark.parametrize(
    "fields", [{"subject": "Hello\r\nBcc: all@example.test"}, {"address": "a@b.test\r\nBcc: c@d.test"}, {"address": "nobody"}]
)
def test_nobody_can_add_a_header(studio: Studio, smtp: SmtpFake, fields: dict[str, str]) -> None:
    delivery = DeliveryFactory(account=studio.account, **fields)

    assert send_delivery(studio.account.pk, delivery.pk) == State.FAILED
    assert smtp.mails == []


def test_names_with_line_breaks_stay_on_one_line(studio: Studio, smtp: SmtpFake) -> None:
    with account_scope(studio.account):
        studio.service.name = "Massage\r\nBcc: all@example.test\x07"
        studio.service.save()
        studio.account.name = "Studio\nX: y"
        studio.account.save()
        SenderIdentity.objects.all().delete()
    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio)

    assert send_all(studio) == [State.SENT]
    (mail,) = smtp.mails
    assert (mail["Bcc"], mail["X"]) == (None, None)
    assert mail["Subject"] == "Your session is confirmed: Massage Bcc: all@example.test"
    assert mail["From"].addresses[0].display_name == "Studio X: y"  # type: ignore[attr-defined]


def test_channels_of_a_delivery_are_those_that_leave_the_house() -> None:
    assert {value for value, _ in Delivery._meta.get_field("channel").choices} == {Channel.EMAIL, Channel.SMS}  # type: ignore[union-attr]
