"""Guests: clients who came by a link that was mailed to them."""

import re

from django.core import mail
from django.utils import timezone

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.clients.services.access import make_link, open_link
from apps.core.tenancy import account_scope
from tests.conftest import ApiClient

URL = "/api/public/berlin/access-links/"


def mailed_token() -> str:
    """What the link in the mail carries."""
    [token] = re.findall(r"^http://localhost:3000/berlin/access/(\S+)$", "\n".join(str(one.body) for one in mail.outbox), re.MULTILINE)
    return token


def link_of(client: Client) -> str:
    """A link as the mail job makes it."""
    with account_scope(client.account_id):
        return make_link(client, at=timezone.now())


def guest_token(client: Client) -> str:
    """The token that an opened link gave."""
    link, account = link_of(client), Account.objects.get(pk=client.account_id)
    with account_scope(account):
        return open_link(account=account, link=link)[0]


def as_guest(client: Client) -> ApiClient:
    """HTTP as this client, without a login."""
    return ApiClient(Authorization=f"Guest {guest_token(client)}")
