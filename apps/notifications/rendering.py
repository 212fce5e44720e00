"""A message for one reader: title, text and page, all saying the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.translation import get_language

from apps.accounts.models import Account
from apps.notifications.catalogue import Message
from apps.notifications.recipients import Recipient
from apps.notifications.words import one_line, spelled

MAX_TITLE, MAX_MESSAGE, MAX_SHORT = 200, 2000, 320
PREFERENCES_PATH = "/notifications/preferences"

Extra = tuple[Any, Mapping[str, Any]]
"""One more sentence: words with placeholders, and what fills them."""


@dataclass(frozen=True, slots=True)
class Letter:
    """``message`` is for a notification, ``text`` and ``html`` for a mail, ``short`` for a phone."""

    title: str
    message: str
    action_url: str
    text: str = ""
    html: str = ""
    short: str = ""


def compose(
    account: Account,
    message: Message,
    *,
    facts: Mapping[str, Any],
    extras: Sequence[Extra],
    zone: ZoneInfo,
    reader: Recipient,
    outward: bool = True,
) -> Letter:
    """The message in the language that is active. Without ``outward`` nothing is made for mails and phones.

    Placeholders are filled once, with values on one line each: text of others can neither add a line nor a placeholder.
    """
    shown = spelled({"account": account.name, **facts}, zone)
    title = one_line(str(message.title) % shown, MAX_TITLE)
    paragraphs = [str(message.text) % shown, *(str(words) % spelled(dict(about), zone) for words, about in extras)]
    path = message.url % facts
    said = "\n".join(paragraphs)[:MAX_MESSAGE]
    if not outward:
        return Letter(title, said, path)
    link = f"{settings.FRONTEND_URL}{path}" if path else ""
    context = {
        "title": title,
        "paragraphs": paragraphs,
        "link": link,
        "account": one_line(account.name),
        "language": get_language(),
        "preferences": f"{settings.FRONTEND_URL}{PREFERENCES_PATH}" if reader.user is not None else "",
    }
    return Letter(
        title,
        said,
        path,
        text=render_to_string("notifications/email/message.txt", context).strip() + "\n",
        html=render_to_string("notifications/email/message.html", context),
        short=one_line(f"{one_line(account.name, 40)}: {paragraphs[0]}", MAX_SHORT),
    )
