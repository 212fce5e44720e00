"""Amounts as providers write them. Ours are integers in the smallest unit of ISO 4217; theirs are not always."""

from decimal import Decimal

from apps.payments.adapters.base import ProviderRefused

# Digits after the point by ISO 4217, where they are not two.
_ISO = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
# Where a provider counts otherwise. Stripe: docs.stripe.com/currencies, "Zero-decimal currencies" and "Special cases".
STRIPE = {"ISK": 2, "UGX": 2, "MGA": 0}
# PayPal: developer.paypal.com/reference/currency-codes, "This currency does not support decimals".
PAYPAL = {"HUF": 0, "TWD": 0}


def exponent(currency: str, special: dict[str, int] | None = None) -> int:
    return (special or {}).get(currency, _ISO.get(currency, 2))


def to_stripe(cents: int, currency: str) -> int:
    """Stripe's integer. Raises ProviderRefused for an amount that Stripe cannot hold."""
    return _shift(cents, exponent(currency, STRIPE) - exponent(currency))


def from_stripe(amount: int, currency: str) -> int:
    return _shift(amount, exponent(currency) - exponent(currency, STRIPE))


def to_paypal(cents: int, currency: str) -> str:
    """PayPal's decimal text: '12.50', of yen '1250'. Raises ProviderRefused for an amount that PayPal cannot hold."""
    digits = exponent(currency, PAYPAL)
    return f"{Decimal(_shift(cents, digits - exponent(currency))).scaleb(-digits):.{digits}f}"


def from_paypal(value: str, currency: str) -> int:
    """Raises ValueError for text that is no amount of this currency."""
    try:
        cents = Decimal(value).scaleb(exponent(currency))
    except ArithmeticError:
        raise ValueError("No amount.") from None
    if not cents.is_finite() or cents != cents.to_integral_value() or abs(cents) > 10**15:
        raise ValueError("No amount.")
    return int(cents)


def _shift(amount: int, digits: int) -> int:
    if digits >= 0:
        return amount * 10**digits
    whole, rest = divmod(amount, 10**-digits)
    if rest:
        raise ProviderRefused("amount_not_in_whole_units")
    return whole
