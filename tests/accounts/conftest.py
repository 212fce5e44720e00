"""A person who signed up and proved their address, and the calls of the sign-in API."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.users.models import Customer
from apps.users.services import confirm_email, create_customer
from factories.users import PASSWORD
from tests.conftest import ApiClient

AUTH = "/_allauth/app/v1"


def verified_customer(email: str = "ada@example.test", **fields: Any) -> Customer:
    customer = create_customer(email=email, password=PASSWORD, **fields)
    confirm_email(user=customer.user)
    customer.refresh_from_db()
    return customer


@pytest.fixture
def person(db: None) -> Customer:
    return verified_customer()


@pytest.fixture
def anonymous() -> ApiClient:
    return ApiClient()


@pytest.fixture
def sign_in(anonymous: ApiClient) -> Callable[..., Any]:
    """``sign_in(email)``: the answer of POST auth/tokens/."""

    def post(email: str = "ada@example.test", password: str = PASSWORD, **more: Any) -> Any:
        return anonymous.post("/api/auth/tokens/", {"email": email, "password": password, **more})

    return post
