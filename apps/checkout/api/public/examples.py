"""What OpenAPI shows of the public door's answers."""

CARD = {
    "name": "Berlin Studio",
    "slug": "berlin",
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "country": "DE",
    "prices_include_tax": True,
    "payment_methods": ["stripe", "bank_transfer", "cash", "wallet"],
    "referral_points": 100,
}
CHECKOUT = {
    "service": 4,
    "practitioner": 7,
    "start_time": "2026-11-23T10:00:00+01:00",
    "method": "stripe",
    "full_name": "Ada Lovelace",
    "email": "ada@example.com",
    "return_url": "https://berlin.example/thanks",
}
_SESSION = {
    "position": 1,
    "service": 4,
    "service_name": "Yoga",
    "practitioner": 7,
    "practitioner_name": "Grace",
    "status": "held",
    "start_time": "2026-11-23T09:00:00Z",
    "end_time": "2026-11-23T10:00:00Z",
    "timezone": "Europe/Berlin",
    "hold_expires_at": "2026-11-21T08:15:00Z",
    "price_cents": 5000,
    "tax_cents": 798,
    "currency": "EUR",
}
_ORDER = {
    "number": "000123",
    "status": "active",
    "payment_status": "unpaid",
    "subtotal_cents": 5000,
    "discount_cents": 0,
    "tax_cents": 798,
    "total_amount_cents": 5000,
    "paid_cents": 0,
    "balance_due_cents": 5000,
    "currency": "EUR",
    "expires_at": None,
    "sessions": [_SESSION],
}
_PAYMENT = {
    "token": "WzEsNDJd:1wPc2f:3q2-7wAAAA",
    "method": "stripe",
    "status": "requires_action",
    "amount_cents": 5000,
    "currency": "EUR",
    "expires_at": "2026-11-21T08:15:00Z",
    "failure": "",
    "instructions": None,
}
SALE = {
    "order": _ORDER,
    "payment": {**_PAYMENT, "client_secret": "pi_1_secret_2", "publishable_key": "pk_live_1"},
    "credit_cents": 0,
}
PAYMENT = {
    "order": {
        **_ORDER,
        "payment_status": "paid",
        "paid_cents": 5000,
        "balance_due_cents": 0,
        "sessions": [{**_SESSION, "status": "confirmed", "hold_expires_at": None}],
    },
    "payment": {**_PAYMENT, "status": "succeeded", "expires_at": None},
}
QUOTE = {
    "currency": "EUR",
    "prices_include_tax": True,
    "tax_code": "",
    "coupon": "SPRING",
    "lines": [
        {
            "kind": "item",
            "description": "Two sessions",
            "quantity": 1,
            "unit_price_cents": 10000,
            "amount_cents": 10000,
            "tax_rate": "19.00",
            "tax_cents": 1597,
        },
        {
            "kind": "discount",
            "description": "Coupon SPRING",
            "quantity": 1,
            "unit_price_cents": -1000,
            "amount_cents": -1000,
            "tax_rate": "19.00",
            "tax_cents": -160,
        },
    ],
    "subtotal_cents": 10000,
    "discount_cents": 1000,
    "taxes": [{"tax_rate": "19.00", "net_cents": 7563, "tax_cents": 1437, "gross_cents": 9000}],
    "tax_cents": 1437,
    "total_amount_cents": 9000,
    "sessions": [
        {"position": 1, "service": 4, "price_cents": 4500, "tax_cents": 718},
        {"position": 2, "service": 4, "price_cents": 4500, "tax_cents": 719},
    ],
    "schedule": [],
    "due_now_cents": 9000,
    "credit_cents": 0,
    "from_wallet_cents": 0,
    "to_pay_now_cents": 9000,
}
