"""Providers to talk to: each test that asks for one gets a fresh server on a free port, and the settings point there."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.paypal import PayPalFake
from tests.fakes.stripe import StripeFake


@pytest.fixture
def stripe_fake(settings: Any) -> Iterator[StripeFake]:
    """A Stripe with one account (``stripe_fake.credentials``)."""
    with StripeFake() as fake:
        settings.STRIPE_API_BASE = fake.url
        yield fake


@pytest.fixture
def paypal_fake(settings: Any) -> Iterator[PayPalFake]:
    """A PayPal with one account (``paypal_fake.credentials``)."""
    with PayPalFake() as fake:
        settings.PAYPAL_API_BASE = fake.url
        yield fake
