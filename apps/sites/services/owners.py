"""Giving sites to customers and taking them back.

"Exactly one primary per customer with sites in use" (I22) is a statement about several rows, so whoever changes one of them locks the
client first: two changes for one person queue up. Lock order: client(s) by id → order → site → ownerships by id.
"""

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.sites.errors import DuplicateOwnership, SiteNotOwned
from apps.sites.models import Site, SiteOwnership, SiteTransfer
from apps.users.models import Customer

STAFF, SALE, TRANSFER, IMPORT = "staff", "sale", "transfer", "import"
"""How somebody came by a site."""

STRANGER = "This customer is not a client of the account."


@joined
def add_site_to_customer(
    site: Site,
    *,
    customer: Customer,
    role: str = SiteOwnership.Role.OWNER,
    is_primary: bool = False,
    origin: str = STAFF,
    at: datetime | None = None,
) -> SiteOwnership:
    """Give a site to a customer who is a client of its account; emits ``site.owner_added``.

    The first site in use becomes the primary one, and later ones only with ``is_primary``. Raises DuplicateOwnership, and Invalid for a
    customer who is nothing to the account and for an archived site.
    """
    at = at or timezone.now()
    client = lock_client_of(customer, account_id=site.account_id)
    site = lock_site(site)
    if not site.is_live:
        raise Invalid(fields={"site": ["This site is archived."]})
    if SiteOwnership.objects.current().filter(customer=customer, site=site).exists():
        raise DuplicateOwnership
    ownership = SiteOwnership.objects.create(
        account_id=site.account_id, client=client, customer=customer, site=site, role=role, acquired_at=at
    )
    emit(
        "site.owner_added",
        ownership,
        changes={"site": [None, str(site.site_id)], "role": [None, ownership.role], "origin": [None, origin]},
    )
    settle_primary(client, chosen=ownership.pk if is_primary else None)
    ownership.refresh_from_db(fields=["is_primary"])
    return ownership


@joined
def remove_site_from_customer(site: Site, *, customer: Customer, at: datetime | None = None) -> SiteOwnership:
    """End a customer's ownership, from when on they see nothing of the site; emits ``site.owner_removed``.

    When it was the primary one, the earliest of the others takes its place. An open offer to transfer it is taken back. Raises
    SiteNotOwned.
    """
    at = at or timezone.now()
    client = lock_client_of(customer, account_id=site.account_id, missing=SiteNotOwned)
    site = lock_site(site)
    ownership = _current(site, customer)
    end_ownership(ownership, at=at)
    settle_primary(client)
    return ownership


@joined
def set_primary_site(site: Site, *, customer: Customer) -> SiteOwnership:
    """Make a site the customer's primary one in its account; emits ``site.primary_changed`` unless it is that already.

    Raises SiteNotOwned, also for a site that is archived.
    """
    client = lock_client_of(customer, account_id=site.account_id, missing=SiteNotOwned)
    ownership = _current(site, customer)
    if not ownership.site.is_live:
        raise SiteNotOwned
    settle_primary(client, chosen=ownership.pk)
    ownership.refresh_from_db(fields=["is_primary"])
    return ownership


# -- parts of these and of other services, under their locks


@joined
def hand_over(site: Site, *, client: Client, role: str = SiteOwnership.Role.OWNER, origin: str, at: datetime) -> SiteOwnership:
    """Make a locked client with a login the owner of a site (or what ``role`` says), whatever they were to it before.

    For sales and transfers: a collaborator gets the role and emits ``site.role_changed``; somebody who has it already keeps it.
    """
    mine = SiteOwnership.objects.current().filter(site=site, client=client).first()
    if mine is None:
        assert client.customer is not None  # noqa: S101  only people with a login get here
        return add_site_to_customer(site, customer=client.customer, role=role, origin=origin, at=at)
    if mine.role not in (role, SiteOwnership.Role.OWNER):
        before, mine.role = mine.role, role
        mine.save(update_fields=["role", "updated_at"])
        emit("site.role_changed", mine, changes={"site": [str(site.site_id)] * 2, "role": [before, mine.role]})
    return mine


def lock_clients(client_ids: Iterable[int]) -> dict[int, Client]:
    """Client rows by id, locked in that order until the transaction ends."""
    found = Client.objects.select_for_update(no_key=True).filter(pk__in=set(client_ids)).order_by("pk")
    return {client.pk: client for client in found}


def lock_client_of(customer: Customer, *, account_id: int, missing: type[Exception] | None = None) -> Client:
    """The customer's record in an account, locked. Raises ``missing``, or Invalid, when there is none."""
    found = Client.objects.select_for_update(no_key=True).filter(account_id=account_id, customer=customer, merged_into=None).first()
    if found is None:
        raise missing() if missing else Invalid(fields={"customer": [STRANGER]})
    return found


def lock_site(site: Site) -> Site:
    """The site as it is now, locked: one change of its owners at a time."""
    return Site.objects.select_for_update(no_key=True).get(pk=site.pk)


def end_ownership(ownership: SiteOwnership, *, at: datetime) -> None:
    """End a row whose client is locked; the primary is for the caller to settle."""
    ownership.ended_at, ownership.is_primary = max(at, ownership.acquired_at), False
    ownership.save(update_fields=["ended_at", "is_primary", "updated_at"])
    emit(
        "site.owner_removed",
        ownership,
        changes={
            "site": [str(ownership.site.site_id), None],
            "role": [ownership.role, None],
            "ended_at": [None, ownership.ended_at.isoformat()],
        },
    )
    for transfer in ownership.transfers.filter(status=SiteTransfer.Status.OFFERED).order_by("pk"):  # type: ignore[attr-defined]
        close_transfer(transfer, status=SiteTransfer.Status.CANCELLED, at=at)


def close_transfer(transfer: SiteTransfer, *, status: str, at: datetime) -> None:
    """An offer is over; emits what became of it."""
    said = {"accepted": "site.transferred"}.get(status, f"site.transfer_{status}")
    before, transfer.status, transfer.decided_at = transfer.status, status, at
    transfer.save(update_fields=["status", "decided_at", "updated_at"])
    site = str(transfer.site.site_id)
    emit(said, transfer, changes={"site": [site, site], "status": [before, status]})


def settle_primary(client: Client, *, chosen: int | None = None) -> None:
    """Leave a locked client with exactly one primary among their sites in use, and none without such a site.

    It is the ``chosen`` ownership, or else the present one as long as it is good, or else the one that was acquired first.
    """
    mine = SiteOwnership.objects.current().filter(client=client).select_related("site").order_by("pk")
    held = list(mine.select_for_update(of=("self",), no_key=True))
    live = sorted((row for row in held if row.site.is_live), key=lambda row: (row.acquired_at, row.pk))
    before = next((row for row in held if row.is_primary), None)
    present = before if before in live else None
    wanted = next((row for row in live if row.pk == chosen), None) or present or next(iter(live), None)
    if wanted is before:
        return
    if before is not None:
        before.is_primary = False
        before.save(update_fields=["is_primary", "updated_at"])
    if wanted is not None:
        wanted.is_primary = True
        wanted.save(update_fields=["is_primary", "updated_at"])
        was = str(before.site.site_id) if before is not None else None
        emit("site.primary_changed", wanted, changes={"site": [was, str(wanted.site.site_id)]})


def _current(site: Site, customer: Customer) -> SiteOwnership:
    mine = SiteOwnership.objects.current().select_related("site").filter(site=site, customer=customer)
    found = mine.select_for_update(of=("self",), no_key=True).first()
    if found is None:
        raise SiteNotOwned
    return found
