"""Invariants of money (security.md §3)."""

from apps.core.doctor import invariant

invariant(
    "I07",
    "A payment captured no more than its amount, in its order's currency.",
    """
    SELECT p.id FROM payments_payment p JOIN orders_order o ON o.id = p.order_id
    WHERE p.captured_cents < 0 OR p.captured_cents > p.amount_cents OR p.currency <> o.currency
    """,
)
invariant(
    "I10",
    "What an order says was paid is what its payments captured, and its status follows from the sums.",
    """
    SELECT o.id FROM orders_order o
    LEFT JOIN payments_payment p ON p.order_id = o.id AND p.status = 'succeeded'
    GROUP BY o.id
    HAVING o.paid_cents <> coalesce(sum(p.captured_cents), 0)
        OR o.payment_status <> CASE
            WHEN o.paid_cents > 0 AND o.paid_cents = o.refunded_cents THEN 'refunded'
            WHEN o.paid_cents - o.refunded_cents > o.total_amount_cents THEN 'overpaid'
            WHEN o.paid_cents - o.refunded_cents < o.total_amount_cents
                THEN CASE WHEN o.paid_cents > o.refunded_cents THEN 'part_paid' ELSE 'unpaid' END
            WHEN o.paid_cents = 0 AND o.subtotal_cents > o.discount_cents THEN 'unpaid'
            ELSE 'paid' END
    """,
)
invariant(
    "I11",
    "Every session of a fully paid order is paid.",
    """
    SELECT b.id FROM bookings_booking b JOIN orders_order o ON o.id = b.order_id
    WHERE o.payment_status IN ('paid', 'overpaid') AND b.payment_status = 'unpaid'
    """,
)
invariant(
    "I18.payments",
    "No payment points into another account.",
    """
    SELECT p.id FROM payments_payment p JOIN orders_order o ON o.id = p.order_id WHERE o.account_id <> p.account_id
    UNION ALL SELECT p.id FROM payments_payment p JOIN clients_client c ON c.id = p.client_id WHERE c.account_id <> p.account_id
    """,
)
