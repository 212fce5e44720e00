"""What messages say and how: every language is whole, values are read as their reader reads them, and strangers' text does nothing."""

import gettext
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.apps import apps
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from apps.core.events import event_types
from apps.core.tenancy import account_scope
from apps.notifications.catalogue import EXTRAS, MESSAGES, TO_CLIENTS
from apps.notifications.models import Kind
from apps.notifications.preferences import default
from apps.notifications.recipients import Recipient
from apps.notifications.rendering import compose
from apps.notifications.voices import VOICES
from apps.notifications.words import Instant, Moments, Money, Span, one_line, spell
from tests.notifications.hearing import hear, written
from tests.studio import MONDAY_TEN, NOW, Studio

LOCALE = Path(apps.get_app_config("notifications").path) / "locale"
LANGUAGES = [code for code, _ in settings.LANGUAGES]
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
ENTRY = re.compile(r'(?:msgctxt "(?P<context>.*)"\n)?msgid "(?P<id>.+)"\nmsgstr "(?P<text>.*)"')


def said() -> dict[str, str]:
    """{name: English words} of everything that can be said."""
    words = {f"{name}.{part}": str(getattr(message, part)) for name, message in MESSAGES.items() for part in ("title", "text")}
    return {**words, **{f"extra.{name}": str(words) for name, words in EXTRAS.items()}}


def source(language: str) -> dict[tuple[str, str], str]:
    """{(context, English): translation} of a .po file."""
    text = (LOCALE / language / "LC_MESSAGES" / "django.po").read_text()
    return {(found["context"] or "", found["id"].replace('\\"', '"')): found["text"].replace('\\"', '"') for found in ENTRY.finditer(text)}


# -- languages


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_said_in_every_language_with_the_same_placeholders(language: str) -> None:
    known = source(language)
    for name, english in said().items():
        translated = known.get(("", english), "")
        assert translated, f"{name} is missing in {language}"
        assert sorted(PLACEHOLDER.findall(translated)) == sorted(PLACEHOLDER.findall(english)), (name, translated)
        assert (translated == english) == (language == "en"), f"{name} is not translated to {language}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_templates_are_translated(language: str) -> None:
    text = "".join(path.read_text() for path in (LOCALE.parent / "templates").rglob("message.*"))
    plain = set(re.findall(r'{% translate "([^"]+)" %}', text)) | {"Sent by %(name)s."}
    known = source(language)
    assert plain == {"Choose what you are told and how", "Sent by %(name)s."}
    assert [one for one in plain if not known.get(("", one))] == []
    assert known[("button of a message", "Open")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_the_source(language: str) -> None:
    """After editing a .po file: ``make messages``."""
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    there = {key: text for key, text in compiled.items() if key}
    assert there == {(f"{context}\x04{english}" if context else english): text for (context, english), text in source(language).items()}


def test_nothing_is_left_in_the_catalogues_that_nobody_says() -> None:
    used = {*said().values(), "Choose what you are told and how", "Sent by %(name)s.", "Open"}
    assert {english for _, english in source("de")} - used == set()


def test_every_voice_has_words_and_a_declared_event() -> None:
    assert set(VOICES) <= {one.name for one in event_types()}
    assert {voice.message for voices in VOICES.values() for voice in voices} <= set(MESSAGES)
    kinds = {message.kind for message in MESSAGES.values()}
    assert set(Kind) == kinds


def test_messages_to_clients_lead_to_their_own_pages() -> None:
    assert [name for name, one in TO_CLIENTS.items() if not one.url.startswith(("/my/", "/waitlist/"))] == []


# -- values


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Sunday, 1 November 2026, 09:00–10:30 (America/New_York)"),
        ("de", "Sonntag, 1. November 2026, 09:00–10:30 (America/New_York)"),
        ("es", "domingo, 1 de noviembre de 2026, 09:00–10:30 (America/New_York)"),
    ],
)
def test_times_are_read_on_the_wall_clock_of_the_reader(language: str, expected: str) -> None:
    start, end = datetime(2026, 11, 1, 14, 0, tzinfo=UTC), datetime(2026, 11, 1, 15, 30, tzinfo=UTC)
    with translation.override(language):
        assert spell(Span(start, end), ZoneInfo("America/New_York")) == expected


def test_the_hour_that_happens_twice_says_which_one_it_is() -> None:
    zone = ZoneInfo("America/New_York")
    first, second = datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert spell(Instant(first), zone) == "Sunday, 1 November 2026, 01:30 UTC-4 (America/New_York)"
    assert spell(Instant(second), zone) == "Sunday, 1 November 2026, 01:30 UTC-5 (America/New_York)"


def test_a_session_over_midnight_says_both_days() -> None:
    start, end = datetime(2026, 11, 23, 22, 30, tzinfo=UTC), datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    expected = "Monday, 23 November 2026, 23:30–Tuesday, 24 November 2026, 00:30 (Europe/Berlin)"
    assert spell(Span(start, end), ZoneInfo("Europe/Berlin")) == expected


@pytest.mark.parametrize(
    ("language", "cents", "currency", "expected"),
    [
        ("en", 1234567, "USD", "12,345.67\u00a0USD"),
        ("de", 1234567, "EUR", "12.345,67\u00a0EUR"),
        ("es", 1234567, "EUR", "12\u00a0345,67\u00a0EUR"),
        ("en", 1500, "JPY", "1,500\u00a0JPY"),
        ("en", 1500, "KWD", "1.500\u00a0KWD"),
        ("en", -5, "EUR", "−0.05\u00a0EUR"),
    ],
)
def test_money_is_read_with_the_digits_of_its_currency(language: str, cents: int, currency: str, expected: str) -> None:
    with translation.override(language):
        assert spell(Money(cents, currency), ZoneInfo("UTC")).replace("\u202f", "\u00a0") == expected


def test_other_values() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert spell(date(2026, 11, 23), zone) == "Monday, 23 November 2026"
    assert spell(12, zone) == "12"
    assert spell(Moments((MONDAY_TEN,), cut=True), zone) == "Monday, 23 November 2026, 10:00 …"
    assert one_line("a\r\nb\x00c\u2028d\u202ee  f") == "a b c de f"
    assert one_line("x" * 400).endswith("…")
    assert len(one_line("x" * 400)) == 300


def test_preferences_without_a_choice() -> None:
    assert all(default(kind, "in_app") for kind in Kind)
    assert [kind for kind in Kind if default(kind, "sms")] == [Kind.BOOKING_REMINDER]
    assert {kind for kind in Kind if not default(kind, "email")} == {
        Kind.REVIEW_REQUESTED,
        Kind.REVIEW_RECEIVED,
        Kind.REVIEW_REPLIED,
        Kind.REVIEW_HIDDEN,
        Kind.DOCUMENT_SHARED,
    }


# -- strangers' text

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% debug %}",
    "%(account)s %s %n %(password)s",
    "' onmouseover='alert(1)",
    "<a href='https://evil.example'>click</a>",
]


class Seen(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


ALLOWED_TAGS = {"html", "head", "meta", "title", "style", "body", "div", "h1", "p", "a", "br"}


@pytest.fixture
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_now")
@pytest.mark.parametrize("words", HOSTILE)
def test_text_of_strangers_is_inert_in_a_mail(studio: Studio, words: str) -> None:
    with account_scope(studio.account):
        studio.service.name = studio.practitioner.display_name = studio.account.name = studio.client.full_name = words
        for row in (studio.service, studio.practitioner, studio.account, studio.client):
            row.save()
    studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    hear(studio)

    (mail,) = written(studio)
    seen = Seen(mail.html)
    assert set(seen.tags) <= ALLOWED_TAGS
    assert {name for name, _ in seen.attributes} <= {"lang", "charset", "name", "content", "style", "class", "href"}
    links = [value for name, value in seen.attributes if name == "href"]
    assert links
    assert all(link.startswith(f"{settings.FRONTEND_URL}/") for link in links)
    assert words in " ".join(seen.text.split())
    assert words in mail.text
    assert words in mail.subject


def test_without_escaping_a_stranger_could_write_tags() -> None:
    """The negative control."""
    context = {"title": "t", "paragraphs": [HOSTILE[0]], "account": "a", "language": "en", "link": "", "preferences": ""}
    assert "script" not in Seen(render_to_string("notifications/email/message.html", context)).tags
    assert "script" in Seen(f"<p>{HOSTILE[0]}</p>").tags


# -- pages


def test_text_and_page_say_the_same_in_every_language(account: Any) -> None:
    zone = ZoneInfo("Europe/Berlin")
    facts = {"service": "Massage", "practitioner": "Ana", "when": Span(MONDAY_TEN, MONDAY_TEN), "booking_id": 7}
    extras = [(EXTRAS["fee"], {"amount": Money(500, "EUR")})]
    for language in LANGUAGES:
        reader = Recipient(language, zone.key, email="a@b.test")
        with translation.override(language):
            letter = compose(account, TO_CLIENTS["booking_confirmed"], facts=facts, extras=extras, zone=zone, reader=reader)
        page = " ".join(Seen(letter.html).text.split())
        for line in [letter.title, *letter.message.splitlines()]:
            assert " ".join(line.split()) in page
            assert line in letter.text
        assert f'<html lang="{language}">' in letter.html
        assert letter.action_url == "/my/bookings/7"
        assert f"{settings.FRONTEND_URL}/my/bookings/7" in letter.text
        assert letter.short.startswith("Berlin Studio: ")


def test_a_page_is_one_column_that_cannot_be_wider_than_its_window(account: Any) -> None:
    """No fixed width, no image, nothing from elsewhere, and words that break anywhere."""
    page = compose(
        account,
        TO_CLIENTS["review_replied"],
        facts={"service": "x" * 300, "reply": "y" * 300, "booking_id": 1},
        extras=[],
        zone=ZoneInfo("UTC"),
        reader=Recipient("en", "UTC"),
    ).html
    seen = Seen(page)
    assert not {"table", "img", "link", "script", "iframe"} & set(seen.tags)
    assert re.findall(r"(?<!max-)width:\s*\d+px", page) == []
    assert "max-width: 600px" in page
    assert page.count("overflow-wrap:anywhere") + page.count("overflow-wrap: anywhere") >= 3
    assert re.findall(r"url\(|@import|src=", page) == []
