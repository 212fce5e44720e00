"""Payment providers. ``connect`` is the only way to one."""

from collections.abc import Callable, Mapping

from apps.payments.adapters.base import Provider

# Filled by name below; each module imports its SDK only when it is used.


def _stripe(credentials: Mapping[str, str]) -> Provider:
    from apps.payments.adapters.stripe import StripeProvider  # noqa: PLC0415  the SDK costs 0.3 s of every start

    return StripeProvider(credentials)


def _paypal(credentials: Mapping[str, str]) -> Provider:
    from apps.payments.adapters.paypal import PayPalProvider  # noqa: PLC0415  the HTTP client is not needed without it

    return PayPalProvider(credentials)


_PROVIDERS: dict[str, Callable[[Mapping[str, str]], Provider]] = {"stripe": _stripe, "paypal": _paypal}

# What each provider's account consists of: (what may be shown, what is secret).
CREDENTIALS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "stripe": (("publishable_key",), ("secret_key", "webhook_secret", "previous_webhook_secret")),
    "paypal": (("client_id", "merchant_id", "webhook_id"), ("client_secret",)),
}


def connect(name: str, credentials: Mapping[str, str]) -> Provider:
    """A provider with the credentials of one account (keys as in CREDENTIALS)."""
    return _PROVIDERS[name](credentials)
