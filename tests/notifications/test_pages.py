"""Mails in a real browser: nothing is wider than the window, whatever strangers have written into it."""

import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from apps.notifications.catalogue import EXTRAS, MESSAGES
from apps.notifications.recipients import Recipient
from apps.notifications.rendering import compose
from apps.notifications.words import Instant, Lines, Moments, Money, Span
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.browser
WIDTHS = (360, 800)
LONG = "Donaudampfschifffahrtsgesellschaftskapitänskajütenschlüsselverwahrungsort" * 4

FACTS: dict[str, Any] = {
    **dict.fromkeys(("service", "practitioner", "client", "order", "what", "number", "last4", "reply", "why", "reference", "token"), LONG),
    **dict.fromkeys(("amount", "total"), Money(10**14, "EUR")),
    **dict.fromkeys(("when", "before"), Span(NOW, MONDAY_TEN)),
    **dict.fromkeys(("booking_id", "order_id", "invoice_id", "payment_id", "refund_id", "dispute_id", "review_id", "service_id"), 2**62),
    **dict.fromkeys(("sessions", "attendees", "minimum", "rating"), 10**9),
    "until": Instant(NOW),
    "first_day": NOW.date(),
    "last_day": NOW.date(),
}
ABOUT: dict[str, Any] = {**FACTS, "count": 10**9, "others": Moments((NOW,) * 10, cut=True), "text": Lines(f"{LONG}\n{LONG}")}


def pages(account: Any) -> list[str]:
    """Every message in every language, at its worst, with all further sentences."""
    account.name = LONG
    zone = ZoneInfo("America/Argentina/ComodRivadavia")
    extras = [(words, ABOUT) for words in EXTRAS.values()]
    made = []
    for language in ("en", "de", "es"):
        with translation.override(language):
            for message in MESSAGES.values():
                reader: Any = Recipient(language, zone.key, user=object())  # type: ignore[arg-type]  # with a link to preferences
                made.append(compose(account, message, facts=FACTS, extras=extras, zone=zone, reader=reader).html)
    return made


def measured(htmls: list[str], folder: Path) -> list[list[Any]]:
    """[page, width of the window, width of what is in it, height] of every page in frames of WIDTHS."""
    frames = "".join(
        f'<iframe width="{width}" height="900" style="border:0" data-page="{n}" srcdoc="{escape(html)}"></iframe>'
        for n, html in enumerate(htmls)
        for width in WIDTHS
    )
    script = """
    addEventListener("load", () => {
      const found = [...document.querySelectorAll("iframe")].map(f => {
        const page = f.contentDocument.documentElement;
        return [Number(f.dataset.page), page.clientWidth, page.scrollWidth, page.scrollHeight];
      });
      document.body.innerHTML = "<pre id=found>" + JSON.stringify(found) + "</pre>";
    });"""
    page = folder / "pages.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><script>{script}</script><body>{frames}</body>")
    done = subprocess.run(
        [
            str(shutil.which("chromium")),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout)
    assert found, done.stdout[-500:]
    return json.loads(found[1])


@pytest.mark.slow
def test_no_mail_is_wider_than_its_window(account: Any, tmp_path: Path) -> None:
    htmls = pages(account)

    found = measured(htmls, tmp_path)

    assert len(found) == len(htmls) * len(WIDTHS)
    assert {width for _, width, _, _ in found} == set(WIDTHS)
    assert min(height for *_, height in found) > 900  # they are really long
    assert [one for one in found if one[2] > one[1]] == []


@pytest.mark.slow
def test_without_breaking_words_it_would_be_wider(account: Any, tmp_path: Path) -> None:
    """The negative control."""
    unbroken = [re.sub(r"(overflow-wrap|word-break): ?[a-z-]+;?", "", html) for html in pages(account)[:2]]

    assert all(inside > width for _, width, inside, _ in measured(unbroken, tmp_path))
