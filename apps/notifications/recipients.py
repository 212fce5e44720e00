"""Who is told, where they can be reached, and in which language and zone they read."""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.accounts.models import Account, Membership, Role
from apps.accounts.selectors import setting
from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.notifications.models import Channel
from apps.users.models import User

MANAGING = (Role.OWNER, Role.MANAGER)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One reader. ``user`` is None for a client without a login, who can only be written to."""

    language: str
    timezone: str
    user: User | None = None
    client: Client | None = None
    email: str = ""
    phone: str = ""

    @property
    def is_client(self) -> bool:
        return self.client is not None

    def address(self, channel: str) -> str:
        """Where a channel reaches them, '' when it does not."""
        return {Channel.EMAIL: self.email, Channel.SMS: self.phone}.get(Channel(channel), "")

    def reachable_by(self, channel: str) -> bool:
        """Whether a channel reaches them at all."""
        return self.user is not None if channel == Channel.IN_APP else bool(self.address(channel))


def client_reader(client: Client, account: Account, *, zone: str = "") -> Recipient:
    """A client: at the address of their login, or, without one, at the address that the business has of them.

    ``zone`` is what the thing itself suggests (a session's), for people who have not chosen one. A client who was merged is the one
    they were merged into.
    """
    if client.merged_into_id is not None:
        client = Client.objects.select_related("customer__user").get(pk=client.merged_into_id)
    customer = client.customer
    user = customer.user if customer is not None and customer.user.is_active else None
    phone = (customer.phone_number if customer is not None else None) or client.phone_number
    return Recipient(
        language=user.language if user is not None else setting(account, "language"),
        timezone=(user.timezone if user is not None else "") or zone or account.timezone,
        user=user,
        client=client,
        email=user.email if user is not None else client.email,
        phone=str(phone or ""),
    )


def practitioner_reader(practitioner: Practitioner, account: Account) -> list[Recipient]:
    """The login behind a practitioner, if there is one that may still work here."""
    member = practitioner.member
    if member is None or not (member.is_active and member.user.is_active):
        return []
    return [member_reader(member.user, account, zone=practitioner.timezone)]


def managers(account: Account) -> list[Recipient]:
    """Owners and managers: they look after money and machinery."""
    found = Membership.objects.filter(role__in=MANAGING, is_active=True, user__is_active=True).select_related("user", "user__customer")
    return [member_reader(member.user, account) for member in found.order_by("pk")]


def member_reader(user: User, account: Account, *, zone: str = "") -> Recipient:
    """Somebody who works here."""
    customer = getattr(user, "customer", None)
    phone = customer.phone_number if customer is not None else None
    return Recipient(
        language=user.language, timezone=user.timezone or zone or account.timezone, user=user, email=user.email, phone=str(phone or "")
    )


def without(recipients: Iterable[Recipient], actor_id: int | None) -> list[Recipient]:
    """Staff are not told what they did themselves."""
    return [one for one in recipients if one.user is None or one.user.pk != actor_id]
