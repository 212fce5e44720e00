"""Whom the business does not sell to online. Staff may still sell to them; what they have bought stays theirs."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.accounts.models import Membership
from apps.clients.errors import NotAccepted
from apps.clients.models import BlockedContact, Client
from apps.core.db import joined
from apps.core.events import emit
from apps.users.models.user import normalize_email


@joined
def block_client(client: Client, *, reason: str = "", by: Membership | None = None, at: datetime | None = None) -> Client:
    """Nothing is sold to this client online from now on; emits ``client.blocked``. Again, it changes the reason only."""
    client = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    was_blocked = client.blocked_at is not None
    if not was_blocked:
        client.blocked_at, client.blocked_by = at or timezone.now(), by
    client.blocked_reason = reason
    client.save(update_fields=["blocked_at", "blocked_by", "blocked_reason", "updated_at"])
    if not was_blocked:
        emit("client.blocked", client)
    return client


@joined
def unblock_client(client: Client) -> Client:
    """The client may buy online again; emits ``client.unblocked`` when they were blocked."""
    client = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    if client.blocked_at is not None:
        client.blocked_at, client.blocked_by, client.blocked_reason = None, None, ""
        client.save(update_fields=["blocked_at", "blocked_by", "blocked_reason", "updated_at"])
        emit("client.unblocked", client)
    return client


@joined
def block_contact(
    *, account_id: int, email: str = "", phone_number: str = "", reason: str = "", author: Membership | None = None
) -> BlockedContact:
    """Nothing is sold online to whoever comes with this address or number; emits ``contact.blocked``.

    Raises IntegrityError when it is blocked already.
    """
    contact = BlockedContact.objects.create(
        account_id=account_id, email=normalize_email(email), phone_number=phone_number, reason=reason, author=author
    )
    emit("contact.blocked", contact)
    return contact


@joined
def unblock_contact(contact: BlockedContact) -> None:
    """Emits ``contact.unblocked``."""
    emit("contact.unblocked", contact)
    contact.delete()


def refuse_blocked(client_id: int, *, email: str = "", phone_number: str = "") -> None:
    """Raises NotAccepted for a blocked client of the open account, or one with a blocked address or number: on their card, or as given.

    One statement. The refusal does not say which it was.
    """
    contact = Q(email=OuterRef("email_key")) & ~Q(email="") | Q(phone_number=OuterRef("phone_number")) & ~Q(phone_number="")
    if email:
        contact |= Q(email=normalize_email(email))
    if phone_number:
        contact |= Q(phone_number=phone_number)
    refused = Q(blocked_at__isnull=False) | Exists(BlockedContact.objects.filter(contact))
    if Client.objects.filter(refused, pk=client_id).exists():
        raise NotAccepted
