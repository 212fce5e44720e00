"""Invariants of documents and of imported bank lines."""

from apps.core.doctor import invariant

invariant(
    "I70",
    "The numbers of a series have no gap, and its counter stands at the last one.",
    """
    SELECT i.account_id, i.series FROM payments_invoice i
    LEFT JOIN core_counter c ON c.account_id = i.account_id AND c.name = 'invoice ' || i.series
    GROUP BY i.account_id, i.series, c.value
    HAVING min(i.sequence) <> 1 OR max(i.sequence) <> count(*) OR c.value IS DISTINCT FROM max(i.sequence)
    """,
)
invariant(
    "I71",
    "An invoice is the sum of the order's lines that are on it.",
    """
    SELECT i.id FROM payments_invoice i
    LEFT JOIN payments_invoiceline l ON l.invoice_id = i.id
    LEFT JOIN orders_orderline o ON o.id = l.order_line_id AND o.order_id = i.order_id
    GROUP BY i.id
    HAVING i.total_cents <> coalesce(sum(o.amount_cents), 0) OR i.tax_cents <> coalesce(sum(o.tax_cents), 0)
    """,
)
invariant(
    "I72",
    "A bank line that is matched has the amount and currency of its payment, which was taken in.",
    """
    SELECT b.id FROM payments_bankline b LEFT JOIN payments_payment p ON p.id = b.payment_id
    WHERE b.status = 'matched'
      AND (p.id IS NULL OR p.status <> 'succeeded' OR p.amount_cents <> b.amount_cents OR p.currency <> b.currency)
    """,
)
