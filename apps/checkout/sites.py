"""Handing over a site that was sold (source 003): once, and only to whoever it was sold to.

This follows ``order.paid`` by a handler and not inside the settlement: a settlement holds its order, and a change of somebody's sites
locks the client first. It is at least once, may be repeated by anybody at any time, and a paid order that nobody could own yet is looked
at again when its client gets a login, and by a job. Locks: clients by id, order, site, ownerships.
"""

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.clients.models import Client
from apps.clients.services import update_client
from apps.core.db import joined
from apps.core.events import emit
from apps.core.models import Event
from apps.orders.models import Order
from apps.orders.services import lock_order
from apps.orders.site_sales import belongs_to_another
from apps.payments.services.collecting import SETTLED
from apps.sites.models import Site, SiteOwnership
from apps.sites.services import hand_over, lock_site, update_site
from apps.sites.services.owners import SALE, lock_clients
from apps.users.models import User
from apps.users.models.user import normalize_email
from apps.users.selectors import has_verified_email
from apps.users.services import add_profile, create_customer
from apps.users.services.claims import invite_to_claim

WAITING, KEPT = "order.site_waiting", "order.site_kept"


def due_sales() -> QuerySet:
    """Orders of sites that are paid and not handed over."""
    return Order.objects.filter(order_type=Order.Type.SITE, status=Order.Status.ACTIVE, payment_status__in=SETTLED)


@joined
def grant_site(order: Order, *, at: datetime | None = None) -> SiteOwnership | None:
    """Make the client of a paid order the owner of its site; the order is completed with that. None when there is nothing to do (yet).

    A client without a login gets one when nobody has their address: they set its password by a link that is mailed there. A login that
    somebody else has made with the address waits until the address is proved: whoever merely registered it gets nothing. Emits
    ``order.site_waiting``, once for each reason, when a paid site cannot be handed over.
    """
    at = at or timezone.now()
    client = order.client
    lock_clients([client.pk, *_cards_of_login(client)])
    order = lock_order(order.pk)
    if order.order_type != Order.Type.SITE or order.status != Order.Status.ACTIVE or order.payment_status not in SETTLED:
        return None
    assert order.site is not None  # noqa: S101  the database says so
    site = lock_site(order.site)
    if order.frozen_at is not None or not site.is_live:
        _wait(order, "archived" if order.frozen_at is None else "disputed")
        return None
    owner, why = _owner_of(Client.objects.get(pk=order.client_id), order)
    if owner is None:
        _wait(order, why)
        return None
    if belongs_to_another(site, client_id=owner.pk):
        _wait(order, "owned")
        return None
    ownership = hand_over(site, client=owner, origin=SALE, at=at)
    update_site(site, subscription_status=Site.Subscription.ACTIVE)
    order.status, order.activated_at = Order.Status.COMPLETED, at
    order.save(update_fields=["status", "activated_at", "updated_at"])
    emit("order.completed", order, changes={"status": [Order.Status.ACTIVE, order.status]})
    return ownership


@joined
def note_kept_site(order: Order) -> bool:
    """Tell staff, once, that all money of a site went back while the client still has it: to take it away is theirs to decide."""
    order = lock_order(order.pk)
    if order.order_type != Order.Type.SITE or order.payment_status != Order.PaymentStatus.REFUNDED or order.site is None:
        return False
    client = Client.objects.get(pk=order.client_id)
    buyer = Q(client=client)
    if client.email:  # or the card that their login was in the account already
        buyer |= Q(customer__user__email=normalize_email(client.email))
    owned = SiteOwnership.objects.current().filter(buyer, site=order.site, acquired_at__gte=order.created_at)
    if not owned.exists() or _said(order, KEPT) is not None:
        return False
    emit(KEPT, order, changes={"site": [None, str(order.site.site_id)]})
    return True


def _login_with(email: str) -> User | None:
    return User.objects.filter(email=normalize_email(email)).select_related("customer").first() if email else None


def _cards_of_login(client: Client) -> list[int]:
    """The client that the login with this client's address is in the account already, if it is one: it is locked, too."""
    user = _login_with(client.email) if client.customer_id is None else None
    return list(Client.objects.current().filter(customer__user=user).values_list("pk", flat=True)) if user is not None else []


def _owner_of(client: Client, order: Order) -> tuple[Client | None, str]:
    """(the client with a login who is to own the site, why there is none yet)."""
    if client.customer_id is not None:
        return client, ""
    if not client.email:
        return None, "no_email"
    user = _login_with(client.email)
    if user is None:
        customer = create_customer(email=client.email, full_name=client.full_name)
        invite_to_claim(customer.user, account_name=order.account.name)
        return update_client(client, customer=customer), ""
    if not user.is_active:
        return None, "login_inactive"
    if not has_verified_email(user):
        if not user.has_usable_password() and _said(order, WAITING) != "email_unverified":  # made for them, and not claimed yet
            invite_to_claim(user, account_name=order.account.name)
        return None, "email_unverified"
    customer = user.customer if hasattr(user, "customer") else add_profile(user=user, full_name=client.full_name)
    known: Client | None = Client.objects.current().filter(customer=customer).first()
    return known or update_client(client, customer=customer), ""


def _wait(order: Order, why: str) -> None:
    before = _said(order, WAITING)
    if before != why:
        emit(WAITING, order, changes={"why": [before, why]})


def _said(order: Order, type_: str) -> str | None:
    """The reason in the last event of this type about an order, '' in one without; None when there is none."""
    about = Event.objects.filter(subject_type=Order._meta.label_lower, subject_id=order.pk, type=type_)
    last = about.order_by("-pk").first()
    return str(last.changes.get("why", ["", ""])[1]) if last is not None else None
