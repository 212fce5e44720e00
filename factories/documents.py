"""What an invoice says, without anything behind it."""

from typing import Any

from apps.payments.labels import LABELS

LINE = {
    "kind": "item",
    "description": "Ten sessions",
    "quantity": 1,
    "unit_price_cents": 123456,
    "net_cents": 103745,
    "tax_rate": "19",
    "tax_cents": 19711,
    "gross_cents": 123456,
}


def sample_document(language: str = "en", lines: int = 1, **changes: Any) -> dict[str, Any]:
    """The JSON of an invoice over 1,234.56 euros, with as many lines as wanted (the sums are those of one)."""
    return {
        "version": 1,
        "kind": "invoice",
        "number": "INV-00042",
        "language": language,
        "labels": LABELS[language],
        "issued_on": "2026-11-21",
        "supply": {"from": "2026-11-23", "to": "2026-12-07"},
        "order_number": "000123",
        "corrects": None,
        "seller": {"name": "Berlin Studio", "text": "Berlin Studio GmbH\nTorstraße 1"},
        "buyer": {"name": "Zoë Müller", "email": "zoe@example.com", "address": "Weg 1\nHamburg", "tax_id": "DE999"},
        "currency": "EUR",
        "digits": 2,
        "prices_include_tax": True,
        "lines": [{**LINE, "description": f"Ten sessions {n}"} for n in range(lines)],
        "taxes": [{"tax_rate": "19", "net_cents": 103745, "tax_cents": 19711, "gross_cents": 123456}],
        "tax_code": "",
        "tax_note": "",
        "net_cents": 103745,
        "tax_cents": 19711,
        "total_cents": 123456,
        "paid_cents": 23456,
        "balance_cents": 100000,
        "payment": {"text": "IBAN DE89 3704", "reference": "000123"},
        "footer": "HRB 1",
        **changes,
    }
