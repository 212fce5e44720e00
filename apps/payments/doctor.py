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
invariant(
    "I08",
    "What went back of a payment, is on its way back or in dispute is what its refunds and disputes say, and no more than came in.",
    """
    SELECT p.id FROM payments_payment p
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(amount_cents) FILTER (WHERE status = 'succeeded'), 0) AS back,
               coalesce(sum(amount_cents) FILTER (WHERE status IN ('requested', 'pending', 'unknown')), 0) AS on_its_way
        FROM payments_refund r WHERE r.payment_id = p.id
    ) r ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(amount_cents), 0) AS held FROM payments_dispute d WHERE d.payment_id = p.id AND d.status = 'open'
    ) d ON true
    WHERE p.refunded_cents <> r.back OR p.refunding_cents <> r.on_its_way OR p.disputed_cents <> d.held
       OR p.captured_cents < p.refunded_cents + p.refunding_cents + p.disputed_cents
    """,
)
invariant(
    "I08.orders",
    "What an order says went back is what went back of its payments.",
    """
    SELECT o.id FROM orders_order o LEFT JOIN payments_payment p ON p.order_id = o.id
    GROUP BY o.id HAVING o.refunded_cents <> coalesce(sum(p.refunded_cents), 0)
    """,
)
invariant(
    "I09",
    "No name at a provider belongs to two payments or two refunds of an account.",
    """
    SELECT min(id) FROM payments_payment WHERE provider_ref <> '' GROUP BY account_id, method, provider_ref HAVING count(*) > 1
    UNION ALL
    SELECT min(id) FROM payments_refund WHERE provider_ref <> '' GROUP BY account_id, method, provider_ref HAVING count(*) > 1
    """,
)
invariant(
    "I13.refunds",
    "A refund that succeeded is in the books once, and one that did not is not in them, or was taken back.",
    """
    SELECT r.id FROM payments_refund r
    LEFT JOIN payments_ledgertransaction t ON t.refund_id = r.id AND t.kind = 'refund'
    LEFT JOIN payments_ledgertransaction u ON u.reverses_id = t.id
    GROUP BY r.id
    HAVING count(t.id) FILTER (WHERE u.id IS NULL) <> (CASE WHEN r.status = 'succeeded' THEN 1 ELSE 0 END)
    """,
)
invariant(
    "I18.refunds",
    "No refund or dispute points into another account, or to another order than its payment.",
    """
    SELECT r.id FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
    WHERE p.account_id <> r.account_id OR p.order_id <> r.order_id OR p.client_id <> r.client_id OR p.currency <> r.currency
    UNION ALL
    SELECT d.id FROM payments_dispute d JOIN payments_payment p ON p.id = d.payment_id
    WHERE p.account_id <> d.account_id OR p.order_id <> d.order_id OR p.client_id <> d.client_id OR p.currency <> d.currency
    """,
)
