"""Keeping secrets unreadable in the table: Fernet (AES-128-CBC with HMAC-SHA256) under keys from the environment.

The first key encrypts, all of them decrypt, so that a key can be replaced.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from apps.core.errors import DomainError


class VaultClosed(DomainError):
    """No key of this installation opens what is stored: FIELD_ENCRYPTION_KEYS lacks the one it was written with."""

    code = "credentials_unreadable"
    default_message = "The stored credentials cannot be read. Enter them again."


def _box() -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in settings.FIELD_ENCRYPTION_KEYS])


def lock_away(secrets: Mapping[str, str]) -> str:
    """The secrets as text that says nothing without the key."""
    return _box().encrypt(json.dumps(dict(secrets)).encode()).decode()


def take_out(text: str) -> dict[str, str]:
    """The secrets again. Raises VaultClosed."""
    if not text:
        return {}
    try:
        return json.loads(_box().decrypt(text.encode()))
    except InvalidToken as error:
        raise VaultClosed from error


def code_hashes(account_id: int, code: str) -> list[str]:
    """What is kept of a bearer code: a keyed hash, so that no dump of the table finds codes by trying. The first is the one to store,
    any of them may have been stored (under a key that has been replaced since)."""
    text = f"{account_id}:{code}".encode()
    return [hmac.new(key.encode(), text, hashlib.sha256).hexdigest() for key in settings.FIELD_ENCRYPTION_KEYS]
