"""Short messages: a Protocol, the console for trying things out, and Twilio over HTTP."""

import logging
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from django.conf import settings

from apps.core.vault import take_out
from apps.notifications.adapters import Refused, Unreachable

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
TOO_MANY = 429
CREDENTIALS = {"twilio": ("account_sid", "auth_token")}
"""What an account has to give for each provider."""


class Texter(Protocol):
    """Who carries short messages."""

    def send(self, *, to: str, text: str, key: str) -> str:
        """Hand a message over; returns its name there. ``key`` stays the same over attempts. Raises Refused or Unreachable."""
        ...


class Identity(Protocol):
    """As much of an account's sender identity as is needed here."""

    sms_provider: str
    sms_sender: str
    sms_credentials: str


@dataclass(frozen=True, slots=True)
class Console:
    """Writes into the log that a message was sent, and not what it said."""

    sender: str

    def send(self, *, to: str, text: str, key: str) -> str:
        logger.info("sms %s: %d characters to a number that ends with %s", key, len(text), to[-2:])
        return key


@dataclass(frozen=True, slots=True)
class Twilio:
    """Twilio's Messages resource (twilio.com/docs/messaging/api/message-resource). It knows no idempotency keys."""

    account_sid: str
    auth_token: str
    sender: str

    def send(self, *, to: str, text: str, key: str) -> str:
        url = f"{settings.TWILIO_API_BASE}/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        try:
            with httpx.Client(timeout=TIMEOUT, trust_env=False, auth=(self.account_sid, self.auth_token)) as client:
                response = client.post(url, data={"To": to, "From": self.sender, "Body": text})
        except httpx.HTTPError as error:
            raise Unreachable(type(error).__name__) from error
        if response.status_code in (httpx.codes.OK, httpx.codes.CREATED):
            return _name_of(response)
        what = f"twilio {response.status_code}"
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or response.status_code in (
            TOO_MANY,
            httpx.codes.UNAUTHORIZED,
            httpx.codes.FORBIDDEN,
        ):
            raise Unreachable(what)  # also while the account's credentials are wrong: somebody will correct them
        raise Refused(what)


def _name_of(response: httpx.Response) -> str:
    try:
        body: Any = response.json()
    except ValueError:
        return ""
    return str(body.get("sid") or "") if isinstance(body, dict) else ""


def texter_of(identity: Identity | None) -> Texter | None:
    """Who carries an account's short messages, if it has chosen somebody."""
    if identity is None or not identity.sms_provider:
        return None
    if identity.sms_provider == "console":
        return Console(identity.sms_sender)
    credentials = take_out(identity.sms_credentials)
    return Twilio(credentials.get("account_sid", ""), credentials.get("auth_token", ""), identity.sms_sender)


__all__ = ["CREDENTIALS", "Console", "Texter", "Twilio", "texter_of"]
