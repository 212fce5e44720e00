"""A site goes from one customer to another, who has to agree."""

from datetime import datetime, timedelta

from django.utils import timezone

from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Busy, Invalid, InvalidTransition, NotFound
from apps.core.events import emit
from apps.sites.errors import DuplicateOwnership
from apps.sites.models import Site, SiteOwnership, SiteTransfer
from apps.sites.services.owners import (
    STRANGER,
    TRANSFER,
    close_transfer,
    end_ownership,
    hand_over,
    lock_clients,
    lock_site,
    settle_primary,
)
from apps.users.models import Customer

OFFER_LASTS = timedelta(days=14)
Status = SiteTransfer.Status


@joined
def offer_transfer(site: Site, *, customer: Customer, from_customer: Customer | None = None, at: datetime | None = None) -> SiteTransfer:
    """Offer a site to a customer of the account, for 14 days; emits ``site.transfer_offered``. Nothing changes before they agree.

    ``from_customer`` says whose ownership is meant where there are several owners. Raises Invalid for a stranger, a site without an owner
    or in doubt about which, DuplicateOwnership for somebody who owns it, and InvalidTransition while another offer is open.
    """
    at = at or timezone.now()
    client = Client.objects.filter(account_id=site.account_id, customer=customer, merged_into=None).first()
    if client is None:
        raise Invalid(fields={"customer": [STRANGER]})
    site = lock_site(site)
    if not site.is_live:
        raise Invalid(fields={"site": ["This site is archived."]})
    owners = [row for row in site.ownerships.current().order_by("acquired_at", "pk") if row.is_owner]  # type: ignore[attr-defined]
    if any(row.client_id == client.pk for row in owners):
        raise DuplicateOwnership
    given = [row for row in owners if from_customer is None or row.customer_id == from_customer.pk]
    if len(given) != 1:
        raise Invalid(fields={"from_customer": ["Say which owner gives the site away." if given else "Nobody to give the site away."]})
    for open_offer in site.transfers.filter(status=Status.OFFERED):  # type: ignore[attr-defined]
        if open_offer.expires_at > at:
            raise InvalidTransition("This site is offered to somebody already.", allowed_actions=["cancel_transfer"])
        close_transfer(open_offer, status=Status.LAPSED, at=at)
    transfer = SiteTransfer.objects.create(
        account_id=site.account_id,
        site=site,
        ownership=given[0],
        from_client_id=given[0].client_id,
        client=client,
        expires_at=at + OFFER_LASTS,
    )
    emit(
        "site.transfer_offered",
        transfer,
        changes={"site": [None, str(site.site_id)], "expires_at": [None, transfer.expires_at.isoformat()]},
    )
    return transfer


@joined
def accept_transfer(transfer: SiteTransfer, *, at: datetime | None = None) -> SiteOwnership:
    """The new owner agrees: the old ownership ends now, theirs begins, and each side's primary site is settled.

    The new owner gets the role that is given up, also as a collaborator of before. Returns their ownership; emits
    ``site.owner_removed``, ``site.owner_added`` and ``site.transferred``. Raises InvalidTransition when the offer is no longer open, and Busy
    when one of the two was merged at this moment.
    """
    at = at or timezone.now()
    clients = lock_clients([transfer.from_client_id, transfer.client_id])
    site = lock_site(transfer.site)
    transfer = _lock(transfer, at)
    given = SiteOwnership.objects.select_related("site").select_for_update(of=("self",), no_key=True).get(pk=transfer.ownership_id)
    if given.ended_at is not None:  # with the merge of two owners
        raise InvalidTransition("This offer is no longer open.", allowed_actions=[])
    if not {given.client_id, transfer.client_id} <= clients.keys():  # somebody was merged while we waited
        raise Busy
    close_transfer(transfer, status=Status.ACCEPTED, at=at)
    end_ownership(given, at=at)
    settle_primary(clients[given.client_id])
    return hand_over(site, client=clients[transfer.client_id], role=given.role, origin=TRANSFER, at=at)


@joined
def decline_transfer(transfer: SiteTransfer, *, at: datetime | None = None) -> SiteTransfer:
    """The new owner says no; emits ``site.transfer_declined``. Raises InvalidTransition when the offer is no longer open."""
    return _close(transfer, Status.DECLINED, at or timezone.now())


@joined
def cancel_transfer(transfer: SiteTransfer, *, at: datetime | None = None) -> SiteTransfer:
    """The business takes the offer back; emits ``site.transfer_cancelled``. Raises InvalidTransition when it is no longer open."""
    return _close(transfer, Status.CANCELLED, at or timezone.now())


@joined
def end_old_offers(*, at: datetime | None = None) -> int:
    """Close the offers of the open account scope that nobody answered in time; how many there were."""
    at = at or timezone.now()
    old = SiteTransfer.objects.select_related("site").filter(status=Status.OFFERED, expires_at__lte=at)
    found = list(old.select_for_update(of=("self",), no_key=True, skip_locked=True).order_by("pk"))
    for transfer in found:
        close_transfer(transfer, status=Status.LAPSED, at=at)
    return len(found)


def open_offer(site: Site) -> SiteTransfer:
    """The open offer of a site. Raises NotFound."""
    found: SiteTransfer | None = site.transfers.filter(status=Status.OFFERED).first()  # type: ignore[attr-defined]
    if found is None:
        raise NotFound
    return found


def _close(transfer: SiteTransfer, status: str, at: datetime) -> SiteTransfer:
    lock_site(transfer.site)
    transfer = _lock(transfer, at)
    close_transfer(transfer, status=status, at=at)
    return transfer


def _lock(transfer: SiteTransfer, at: datetime) -> SiteTransfer:
    found = SiteTransfer.objects.select_related("site").select_for_update(of=("self",), no_key=True).get(pk=transfer.pk)
    if found.status != Status.OFFERED or found.expires_at <= at:
        raise InvalidTransition("This offer is no longer open.", allowed_actions=[])
    return found
