"""Mails through Django's backend: SMTP, a folder of files in the demo, or any provider of django-anymail (settings)."""

import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.mime.text import MIMEText
from email.utils import parseaddr
from functools import cache
from typing import Any

from anymail.exceptions import AnymailError, AnymailInvalidAddress, AnymailRecipientsRefused
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.message import BadHeaderError
from django.core.validators import validate_email

from apps.notifications.adapters import Refused, Unreachable

PERMANENT = 500
"""SMTP replies from here on say that the same mail will be refused again (RFC 5321, 4.2.1)."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one address. ``message_id`` is the same at every attempt."""

    to: str
    subject: str
    text: str
    html: str
    message_id: str
    sender_name: str
    reply_to: str = ""
    attachments: Sequence[Mapping[str, str]] = field(default_factory=tuple)
    is_personal: bool = True


@cache
def _house() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1]


def message_id_of(delivery_id: int, token: str) -> str:
    """Stable over attempts; the token keeps the number of our mails from being counted."""
    return f"<delivery-{delivery_id}-{token}@{_house().rpartition('@')[2]}>"


def send(letter: Letter) -> str:
    """Hand the mail over; returns the name under which it went. Raises Refused (never try again) or Unreachable."""
    message = build(letter)
    try:
        get_connection(fail_silently=False).send_messages([message])
    except (AnymailInvalidAddress, AnymailRecipientsRefused, BadHeaderError, UnicodeError) as error:
        raise Refused(_says(error)) from error
    except smtplib.SMTPRecipientsRefused as error:
        code = max((reply[0] for reply in error.recipients.values()), default=0)
        raise (Refused if code >= PERMANENT else Unreachable)(f"recipient refused: {code}") from error
    except smtplib.SMTPResponseException as error:
        raise (Refused if error.smtp_code >= PERMANENT and not _is_login(error) else Unreachable)(f"smtp {error.smtp_code}") from error
    except (smtplib.SMTPException, AnymailError, OSError) as error:
        raise Unreachable(_says(error)) from error
    status = getattr(message, "anymail_status", None)
    return str(getattr(status, "message_id", None) or letter.message_id)


def build(letter: Letter) -> EmailMultiAlternatives:
    """The mail with its headers. Raises Refused for an address that cannot be one, or a header that would hold two lines."""
    if any(c in text for text in (letter.subject, letter.to, letter.sender_name, letter.reply_to) for c in "\r\n"):
        raise Refused("line break in a header")
    try:
        validate_email(letter.to)
    except ValidationError as error:
        raise Refused("not an address") from error
    message = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        from_email=str(Address(display_name=letter.sender_name, addr_spec=_house())),
        to=[letter.to],
        reply_to=[letter.reply_to] if letter.reply_to else None,
        headers=_headers(letter),
    )
    message.attach_alternative(letter.html, "text/html")
    for one in letter.attachments:
        message.attach(_part(one))
    return message


def _part(attachment: Mapping[str, str]) -> MIMEText:
    """A file as a part of its own: parameters such as a calendar's method survive SMTP and providers' APIs alike."""
    header = EmailMessage()
    header["Content-Type"] = attachment["type"]
    part = MIMEText(attachment["text"], header.get_content_subtype(), "utf-8")
    for name, value in header["Content-Type"].params.items():
        if name != "charset":
            part.set_param(name, value)
    part.add_header("Content-Disposition", "attachment", filename=attachment["name"])
    return part


def _headers(letter: Letter) -> dict[str, Any]:
    headers = {"Message-ID": letter.message_id, "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if letter.is_personal:
        headers["List-Unsubscribe"] = f"<{settings.FRONTEND_URL}/notifications/preferences>"
    return headers


def _is_login(error: smtplib.SMTPResponseException) -> bool:
    """A server that does not know us any more is our trouble, not the mail's."""
    return isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPConnectError | smtplib.SMTPHeloError | smtplib.SMTPSenderRefused)


def _says(error: Exception) -> str:
    """What went wrong, without the addresses and words that such errors repeat."""
    return type(error).__name__
