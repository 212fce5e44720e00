"""Short messages over real HTTP, and mails through django-anymail."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core import mail as django_mail

from apps.core.vault import lock_away
from apps.notifications.adapters import Refused, Unreachable, mail
from apps.notifications.adapters.sms import Twilio
from apps.notifications.models import Channel, Delivery, SenderIdentity
from apps.notifications.services.sending import send_delivery
from factories.notifications import DeliveryFactory, SenderIdentityFactory
from tests.fakes.twilio import TwilioFake
from tests.notifications.hearing import hear, written
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    with TwilioFake() as fake:
        settings.TWILIO_API_BASE = fake.url
        yield fake


def texting(studio: Studio, *, token: str = TwilioFake.token, provider: str = SenderIdentity.SmsProvider.TWILIO) -> None:
    secrets = lock_away({"account_sid": TwilioFake.sid, "auth_token": token})
    SenderIdentityFactory(account=studio.account, sms_provider=provider, sms_sender="+4930123456", sms_credentials=secrets)


def text_to(studio: Studio, number: str = "+4915112345678", **fields: Any) -> Delivery:
    words = {"subject": "", "html": "", "text": "Berlin Studio: see you soon."}
    return DeliveryFactory(account=studio.account, channel=Channel.SMS, address=number, **{**words, **fields})


def state_of(delivery: Delivery, studio: Studio) -> tuple[str, str]:
    row = next(one for one in written(studio) if one.pk == delivery.pk)
    return row.state, row.error


def test_a_short_message_goes_out_by_twilio(studio: Studio, twilio: TwilioFake) -> None:
    texting(studio)
    delivery = text_to(studio)

    assert send_delivery(studio.account.pk, delivery.pk) == State.SENT

    assert twilio.messages == [{"To": "+4915112345678", "From": "+4930123456", "Body": "Berlin Studio: see you soon."}]
    assert written(studio)[0].message_id == f"SM{1:032}"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "error_before", "status": 503}, (State.PENDING, "twilio 503")),
        ({"kind": "error_before", "status": 429}, (State.PENDING, "twilio 429")),
        ({"kind": "reset_before"}, (State.PENDING, "RemoteProtocolError")),
    ],
)
def test_trouble_at_twilio_is_tried_again(studio: Studio, twilio: TwilioFake, fault: dict[str, Any], expected: tuple[str, str]) -> None:
    texting(studio)
    delivery = text_to(studio)
    twilio.fault("*", **fault)

    send_delivery(studio.account.pk, delivery.pk)

    state, error = state_of(delivery, studio)
    assert state == expected[0]
    assert error in (expected[1], "ReadError")
    with time_machine.travel(NOW.replace(hour=9), tick=True):
        assert send_delivery(studio.account.pk, delivery.pk) == State.SENT
    assert len(twilio.messages) == 1


def test_a_number_that_does_not_exist_is_given_up(studio: Studio, twilio: TwilioFake) -> None:
    texting(studio)
    delivery = text_to(studio, "+49151120000")
    assert send_delivery(studio.account.pk, delivery.pk) == State.FAILED
    assert state_of(delivery, studio) == (State.FAILED, "twilio 400")


def test_wrong_credentials_wait_for_somebody_to_correct_them(studio: Studio, twilio: TwilioFake) -> None:
    texting(studio, token="wrong")
    delivery = text_to(studio)
    assert send_delivery(studio.account.pk, delivery.pk) == State.PENDING
    assert state_of(delivery, studio) == (State.PENDING, "twilio 401")


def test_an_account_without_a_provider_sends_none(studio: Studio) -> None:
    delivery = text_to(studio)
    assert send_delivery(studio.account.pk, delivery.pk) == State.FAILED
    assert state_of(delivery, studio) == (State.FAILED, "no_sms_provider")


def test_the_console_says_that_a_message_was_sent_and_not_what(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    texting(studio, provider=SenderIdentity.SmsProvider.CONSOLE)
    delivery = text_to(studio)
    with caplog.at_level(logging.INFO, logger="apps.notifications.adapters.sms"):
        assert send_delivery(studio.account.pk, delivery.pk) == State.SENT
    assert "28 characters to a number that ends with 78" in caplog.text
    assert "see you" not in caplog.text
    assert "+4915112345678" not in caplog.text


def test_twilio_that_is_nowhere(settings: Any) -> None:
    settings.TWILIO_API_BASE = "http://127.0.0.1:1"
    with pytest.raises(Unreachable, match="ConnectError"):
        Twilio("AC", "token", "+49").send(to="+49", text="x", key="k")


# -- anymail


def test_a_mail_of_ours_passes_through_anymail_with_its_attachment(studio: Studio, settings: Any) -> None:
    """Anymail's own test backend does all that a provider's backend does, but for the HTTP call."""
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    django_mail.outbox = []  # type: ignore[attr-defined]
    SenderIdentityFactory(account=studio.account, sender_name="Salón, Berlin", reply_to="hello@studio.example")
    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio)
    (delivery,) = written(studio)

    assert send_delivery(studio.account.pk, delivery.pk) == State.SENT

    (sent,) = django_mail.outbox  # type: ignore[attr-defined]
    params = sent.anymail_test_params
    assert [str(one) for one in params["to"]] == [delivery.address]
    assert params["from"].display_name == "Salón, Berlin"
    assert [str(one) for one in params["reply_to"]] == ["hello@studio.example"]
    assert (params["subject"], params["text_body"], params["html_body"]) == (delivery.subject, delivery.text, delivery.html)
    assert [(one.name, one.mimetype) for one in params["attachments"]] == [("session.ics", "text/calendar")]
    assert params["attachments"][0].b64content
    assert params["extra_headers"]["Message-ID"].startswith(f"<delivery-{delivery.pk}-")
    assert params["extra_headers"]["Auto-Submitted"] == "auto-generated"
    assert written(studio)[0].message_id


def test_a_recipient_that_anymail_refuses_is_given_up(studio: Studio, settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    delivery = DeliveryFactory(account=studio.account, address="nobody@")
    assert send_delivery(studio.account.pk, delivery.pk) == State.FAILED


@pytest.mark.parametrize("field", ["subject", "to", "sender_name", "reply_to"])
def test_no_header_of_a_mail_holds_two_lines(field: str) -> None:
    fields: dict[str, Any] = {"to": "a@b.test", "subject": "s", "text": "t", "html": "h", "message_id": "<1@b>", "sender_name": "n"}
    with pytest.raises(Refused):
        mail.build(mail.Letter(**{**fields, field: "x\r\nBcc: y@z.test"}))


@pytest.mark.parametrize("module", ["local", "production"])
def test_the_settings_take_a_mail_provider_from_the_environment(module: str) -> None:
    """Without EMAIL_URL, which production wants otherwise."""
    program = "import django; django.setup(); from django.conf import settings; from django.core.mail import get_connection; c = get_connection(); print(type(c).__module__, c.server_token)"
    secrets = dict.fromkeys(("SECRET_KEY", "FIELD_ENCRYPTION_KEYS"), "x" * 50)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(django_settings.DATA_DIR),
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
            "ALLOWED_HOSTS": "studio.example",
            **secrets,
            "DJANGO_SETTINGS_MODULE": f"config.settings.{module}",
            "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
            "ANYMAIL": '{"POSTMARK_SERVER_TOKEN": "from-the-environment"}',
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["anymail.backends.postmark", "from-the-environment"]
