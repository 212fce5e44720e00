"""Entering and changing websites."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.core.db import constraint_error, joined
from apps.core.errors import Busy, Invalid
from apps.core.events import emit
from apps.sites.models import Site, SiteOwnership, SiteTransfer
from apps.sites.services.owners import close_transfer, lock_clients, lock_site, settle_primary

TAKEN: dict[str, Callable[[], Exception]] = {
    "sites_site_unique_slug": lambda: Invalid(fields={"slug": ["A site with this slug exists already."]}),
}


@joined
def create_site(*, account_id: int, **fields: Any) -> Site:
    """A new website without an owner; emits ``site.created``. Raises Invalid for a slug that the account has already."""
    with constraint_error(TAKEN):
        site = Site.objects.create(account_id=account_id, **fields)
    emit("site.created", site)
    return site


@joined
def update_site(site: Site, *, at: datetime | None = None, **fields: Any) -> Site:
    """Change fields; emits ``site.updated`` with what really changed, and nothing when nothing did.

    A ``status`` that archives the site or brings it back does all that ``archive_site`` and ``restore_site`` do. Raises Invalid for a
    slug that the account has already.
    """
    status = fields.pop("status", None)
    if status is not None:
        _in_or_out_of_use(site, status, at or timezone.now())
    site = lock_site(site)
    changes = {name: [getattr(site, name), value] for name, value in fields.items() if getattr(site, name) != value}
    if not changes:
        return site
    for name, value in fields.items():
        setattr(site, name, value)
    with constraint_error(TAKEN):
        site.save(update_fields=[*changes, "updated_at"])
    emit("site.updated", site, changes=changes)
    return site


@joined
def archive_site(site: Site, *, at: datetime | None = None) -> Site:
    """Take a site out of use; emits ``site.archived``. Its owners keep it on record but see it no more.

    Where it was somebody's primary site, the earliest of their others takes its place. An open offer to transfer it is taken back.
    """
    return _in_or_out_of_use(site, Site.Status.ARCHIVED, at or timezone.now())


@joined
def restore_site(site: Site, *, at: datetime | None = None) -> Site:
    """Bring an archived site back into use; emits ``site.restored``. It becomes the primary one of owners who have no other."""
    return _in_or_out_of_use(site, Site.Status.ACTIVE, at or timezone.now())


def _in_or_out_of_use(site: Site, status: str, at: datetime) -> Site:
    """Whether a site is in use concerns the primary sites of all its owners: their clients are locked, then the site.

    Raises Busy when somebody came to own it between the two.
    """
    locked = lock_clients(_owning(site))
    site = lock_site(site)
    if not set(_owning(site)) <= set(locked):
        raise Busy
    before, was_live = site.status, site.is_live
    if before == status:
        return site
    site.status = status
    site.save(update_fields=["status", "updated_at"])
    if was_live == site.is_live:
        emit("site.updated", site, changes={"status": [before, status]})
        return site
    emit("site.restored" if site.is_live else "site.archived", site, changes={"status": [before, status]})
    if not site.is_live:
        for transfer in site.transfers.filter(status=SiteTransfer.Status.OFFERED):  # type: ignore[attr-defined]
            close_transfer(transfer, status=SiteTransfer.Status.CANCELLED, at=at)
    for client in locked.values():
        settle_primary(client)
    return site


def _owning(site: Site) -> list[int]:
    return list(SiteOwnership.objects.current().filter(site=site).values_list("client_id", flat=True))
