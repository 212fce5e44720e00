"""People who look after their own things: a studio's client gets a login, and acts through the customer door."""

from datetime import timedelta
from typing import Any

from django.db import transaction

from apps.bookings.models import Booking
from apps.core.tenancy import account_scope
from apps.users.models import Customer
from factories.accounts import token_for
from factories.users import CustomerFactory
from tests.bookings.life import bring
from tests.conftest import ApiClient
from tests.studio import Studio

BOOKINGS = "/api/customer/bookings/"


def sign_in(customer: Customer, **headers: str) -> ApiClient:
    """A client with a token of this person's that outlives the days a test travels over."""
    return ApiClient(token_for(customer.user, expiry=timedelta(days=30)), **headers)


def become(studio: Studio, customer: Customer | None = None) -> Customer:
    """The studio's client is this customer (a new one) from now on."""
    customer = customer or CustomerFactory()
    with account_scope(studio.account), transaction.atomic():
        studio.client.customer = customer
        studio.client.save(update_fields=["customer"])
    return customer


def act(client: ApiClient, booking: Booking, action: str, status: int = 200, headers: Any = None, **body: Any) -> dict[str, Any]:
    """POST an action; its answer, which must have this status."""
    response = client.post(f"{BOOKINGS}{booking.pk}/{action}/", body, headers=headers or {})
    assert response.status_code == status, response.content
    return response.json()


def told(client: ApiClient, booking: Booking, action: str, **body: Any) -> tuple[int, str]:
    """Status and code of an action."""
    response = client.post(f"{BOOKINGS}{booking.pk}/{action}/", body)
    return response.status_code, response.json()["error"]


def in_force(studio: Studio, **fields: Any) -> None:
    """Change the studio's service."""
    with account_scope(studio.account):
        for name, value in fields.items():
            setattr(studio.service, name, value)
        studio.service.save()


def brought(studio: Studio, status: str, booking: Booking | None = None, *, approval: bool = False) -> Booking:
    """A session in this state; ``bring`` takes the long way, by a request."""
    in_force(studio, requires_approval=True)
    booking = bring(studio, status, booking)
    in_force(studio, requires_approval=approval)
    return booking


__all__ = ["BOOKINGS", "act", "become", "brought", "in_force", "sign_in", "told"]
