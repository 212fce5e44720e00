"""Who asks with a guest token, and the secrets of links and tokens.

A secret is signed together with its account: what was never ours is turned away without a statement, and the account's scope can be
entered before the row is looked for (the token says where to look, the row says whether it opens anything).
"""

import hashlib
import secrets

from django.contrib.auth.models import AnonymousUser
from django.core import signing

from apps.accounts.models import Account
from apps.clients.models import Client, GuestAccess
from apps.core.vault import code_hashes
from apps.users.models.user import normalize_email

LINK, TOKEN = "clients.guest_link", "clients.guest_token"
"""What a secret is for: neither is taken for the other."""


class Guest(AnonymousUser):
    """Somebody without a login who has opened the link that was mailed to a client: exactly that client, and nobody else.

    Nobody has signed in (``is_authenticated`` stays False), so only doors that ask for guests let them in.
    """

    def __init__(self, access: GuestAccess) -> None:
        self.access = access

    @property
    def client(self) -> Client:
        """Who they are; ``client.account`` comes with it."""
        return self.access.client


def new_secret(account_id: int, purpose: str) -> str:
    """What the holder gets to see, once."""
    return signing.dumps([account_id, secrets.token_urlsafe(24)], salt=purpose)


def account_of(secret: str, purpose: str) -> int | None:
    """The account that a secret of ours belongs to; None for anything else."""
    try:
        account_id, _random = signing.loads(secret, salt=purpose)
    except signing.BadSignature:
        return None
    return int(account_id)


def digest(secret: str) -> str:
    """What is kept of a secret. It is random and long: nobody finds it by trying."""
    return hashlib.sha256(secret.encode()).hexdigest()


def address_digests(account_id: int, email: str) -> list[str]:
    """What is kept of an address, under each key of the installation; the first is the one to store."""
    return code_hashes(account_id, f"address:{normalize_email(email)}")


def opens(access: GuestAccess) -> bool:
    """Whether the row (with its client and account) still leads to its client.

    It ends by itself with a merge, an erasure, a block and a change of the address, and while the account is closed.
    """
    client = access.client
    is_current = client.merged_into_id is None and client.blocked_at is None and client.account.status == Account.Status.ACTIVE
    return is_current and bool(client.email) and access.address_digest in address_digests(access.account_id, client.email)
