"""Payment providers for the demo: servers of our own that speak like Stripe and PayPal, and credentials for both businesses.

Only the demo knows about them: the product is told their addresses and keys, as it would be told the real ones.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apps.core.tenancy import platform_scope
from apps.core.vault import take_out
from apps.payments.models import Provider, ProviderAccount
from apps.payments.services.provider_accounts import set_up_provider

OWN_MACHINE = "127.0.0.1:*"
"""Where the demo's webhooks and feeds may go beside the open internet: what a visitor starts on this machine."""


def connect_providers() -> None:
    """Keys as Stripe and PayPal would give them out, made up for this demo. Call inside the account's scope."""
    word = secrets.token_hex
    set_up_provider(
        provider=Provider.STRIPE,
        credentials={
            "publishable_key": f"pk_test_{word(12)}",
            "secret_key": f"sk_test_{word(16)}",
            "webhook_secret": f"whsec_{word(16)}",
        },
    )
    set_up_provider(
        provider=Provider.PAYPAL,
        credentials={
            "client_id": f"A{word(12)}",
            "client_secret": f"E{word(16)}",
            "merchant_id": f"M{word(6).upper()}",
            "webhook_id": f"WH-{word(8).upper()}",
        },
    )


@contextmanager
def fake_providers(folder: Path, base_url: str) -> Iterator[dict[str, str]]:
    """Both servers, on free ports, knowing every account of this database; what the demo's processes are told of them, by setting."""
    from tests.fakes.paypal import PayPalFake  # noqa: PLC0415  the demo of a deployment without tests has no providers to play
    from tests.fakes.stripe import StripeFake  # noqa: PLC0415

    with StripeFake(state=folder / "stripe.json") as stripe, PayPalFake(state=folder / "paypal.json") as paypal:
        fakes: dict[str, Any] = {Provider.STRIPE: stripe, Provider.PAYPAL: paypal}
        with platform_scope("credentials for the demo's providers"):
            for known in ProviderAccount.objects.select_related("account").order_by("pk"):
                address = f"{base_url}/api/webhooks/{known.provider}/{known.account.slug}/"
                words = {**known.public, **take_out(known.secrets), "webhook_url": address}
                fakes[known.provider].add_account(**words)
        yield {"STRIPE_API_BASE": stripe.url, "PAYPAL_API_BASE": paypal.url, "OUTBOUND_ALLOWED_HOSTS": OWN_MACHINE}
