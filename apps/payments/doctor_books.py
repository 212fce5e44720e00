"""Invariants of the books, the wallets and the documents (security.md §3, docs/adr/0010-ledger.md)."""

from apps.core.doctor import invariant

invariant(
    "I11.waiting",
    "Nobody forgets to ask a provider: an open payment there has a time to be asked about, not long past, or is for staff to look at.",
    """
    SELECT id FROM payments_payment
    WHERE method IN ('stripe', 'paypal') AND status IN ('new', 'pending', 'requires_action', 'unknown') AND review = ''
      AND (next_check_at IS NULL OR next_check_at < now() - interval '15 min')
    """,
)
invariant(
    "I12",
    "What a provider told us was dealt with within 15 minutes, and is stored once.",
    """
    SELECT id FROM payments_providerevent WHERE status IN ('received', 'failed') AND created_at < now() - interval '15 min'
    UNION ALL
    SELECT min(id) FROM payments_providerevent GROUP BY account_id, provider, event_id HAVING count(*) > 1
    """,
)
invariant(
    "I13",
    "Money that a payment captured is in the books once, in the right amount.",
    """
    SELECT p.id FROM payments_payment p
    LEFT JOIN (
        SELECT t.payment_id, count(DISTINCT t.id) AS times, sum(-e.amount_cents) FILTER (WHERE e.book = 'receivable') AS cents
        FROM payments_ledgertransaction t LEFT JOIN payments_ledgerentry e ON e.transaction_id = t.id
        WHERE t.kind = 'payment' GROUP BY t.payment_id
    ) b ON b.payment_id = p.id
    WHERE coalesce(b.cents, 0) <> p.captured_cents OR coalesce(b.times, 0) <> CASE WHEN p.captured_cents > 0 THEN 1 ELSE 0 END
    """,
)
invariant(
    "I13.amounts",
    "What a refund says went back is what the books say.",
    """
    SELECT r.id FROM payments_refund r
    LEFT JOIN payments_ledgertransaction t ON t.refund_id = r.id AND t.kind = 'refund'
    LEFT JOIN payments_ledgertransaction u ON u.reverses_id = t.id
    LEFT JOIN payments_ledgerentry e ON e.transaction_id IN (t.id, u.id) AND e.book = 'receivable'
    GROUP BY r.id HAVING coalesce(sum(e.amount_cents), 0) <> CASE WHEN r.status = 'succeeded' THEN r.amount_cents ELSE 0 END
    """,
)
invariant(
    "I14",
    "Every transaction of the books has at least two entries, and they balance in each currency.",
    """
    SELECT t.id FROM payments_ledgertransaction t LEFT JOIN payments_ledgerentry e ON e.transaction_id = t.id
    GROUP BY t.id HAVING count(e.id) < 2
    UNION SELECT transaction_id FROM payments_ledgerentry GROUP BY transaction_id, currency HAVING sum(amount_cents) <> 0
    """,
)
invariant(
    "I14.receivable",
    "What the books say is owed for an order is its total, less what was paid and not given back.",
    """
    SELECT o.id FROM orders_order o
    LEFT JOIN (
        SELECT order_id, sum(amount_cents) AS cents FROM payments_ledgerentry WHERE book = 'receivable' GROUP BY order_id
    ) b ON b.order_id = o.id
    WHERE coalesce(b.cents, 0) <> o.total_amount_cents - o.paid_cents + o.refunded_cents
    """,
)
invariant(
    "I14.tax",
    "Tax and fees in the books of an order's sale are those of its lines.",
    """
    SELECT o.id FROM orders_order o
    LEFT JOIN (
        SELECT order_id, sum(amount_cents - tax_cents) FILTER (WHERE kind = 'fee') AS fees FROM orders_orderline GROUP BY order_id
    ) l ON l.order_id = o.id
    LEFT JOIN (
        SELECT e.order_id, sum(e.amount_cents) FILTER (WHERE e.book = 'tax') AS tax, sum(e.amount_cents) FILTER (WHERE e.book = 'fees') AS fees
        FROM payments_ledgerentry e JOIN payments_ledgertransaction t ON t.id = e.transaction_id WHERE t.kind = 'sale' GROUP BY e.order_id
    ) b ON b.order_id = o.id
    WHERE coalesce(b.tax, 0) <> -o.tax_cents OR coalesce(b.fees, 0) <> -coalesce(l.fees, 0)
    """,
)
invariant(
    "I14.net",
    "Deferred, earned, forfeited, fees and gift codes in the books of a sale are its orders' totals without tax.",
    """
    SELECT o.id FROM (
        SELECT coalesce(parent_id, id) AS id, sum(total_amount_cents - tax_cents) AS net FROM orders_order GROUP BY 1
    ) o
    LEFT JOIN (
        SELECT coalesce(o.parent_id, o.id) AS id, sum(e.amount_cents) AS cents
        FROM payments_ledgerentry e
        JOIN payments_ledgertransaction t ON t.id = e.transaction_id
        JOIN orders_order o ON o.id = e.order_id
        WHERE t.kind = 'sale' AND e.book NOT IN ('receivable', 'tax') GROUP BY 1
    ) b ON b.id = o.id
    WHERE coalesce(b.cents, 0) <> -o.net
    """,
)
invariant(
    "I14.sessions",
    "A session that is still to come is deferred, one that expired is forfeited, and one that ended is neither.",
    """
    SELECT s.id FROM bookings_booking s
    LEFT JOIN (
        SELECT booking_id, sum(amount_cents) FILTER (WHERE book = 'deferred') AS deferred,
               sum(amount_cents) FILTER (WHERE book = 'forfeited') AS forfeited
        FROM payments_ledgerentry WHERE booking_id IS NOT NULL GROUP BY booking_id
    ) b ON b.booking_id = s.id
    WHERE coalesce(b.deferred, 0) <> CASE
            WHEN s.status IN ('completed', 'no_show', 'cancelled', 'forfeited') THEN 0 ELSE s.tax_cents - s.price_cents END
       OR coalesce(b.forfeited, 0) <> CASE WHEN s.status = 'forfeited' THEN s.tax_cents - s.price_cents ELSE 0 END
    """,
)
invariant(
    "I15",
    "A wallet's balance is what remains of its lots, and never negative; its last statement line says the same.",
    """
    SELECT w.id FROM payments_walletbalance w
    LEFT JOIN (SELECT balance_id, sum(remaining_cents) AS cents, count(DISTINCT currency) AS currencies, min(currency) AS currency
               FROM payments_walletlot GROUP BY balance_id) l ON l.balance_id = w.id
    LEFT JOIN LATERAL (SELECT balance_after_cents FROM payments_wallettransaction t WHERE t.balance_id = w.id ORDER BY t.id DESC LIMIT 1) s
        ON true
    WHERE w.balance_cents < 0 OR w.balance_cents <> coalesce(l.cents, 0) OR l.currencies > 1 OR l.currency <> w.currency
       OR w.balance_cents <> coalesce(s.balance_after_cents, 0)
    """,
)
invariant(
    "I15.books",
    "The wallets of an account hold what its books say, with what is set aside for payments that are still open.",
    """
    SELECT b.account_id, b.currency FROM (
        SELECT account_id, currency, sum(cents) AS cents FROM (
            SELECT account_id, currency, balance_cents AS cents FROM payments_walletbalance
            UNION ALL SELECT account_id, currency, amount_cents FROM payments_payment WHERE method = 'wallet' AND status = 'authorized'
            UNION ALL SELECT account_id, currency, amount_cents FROM payments_ledgerentry WHERE book = 'wallet'
        ) a GROUP BY account_id, currency
    ) b WHERE b.cents <> 0
    """,
)
invariant(
    "I16",
    "A transaction of the books is reversed at most once, by its mirror image.",
    """
    SELECT reverses_id FROM payments_ledgertransaction WHERE reverses_id IS NOT NULL GROUP BY reverses_id HAVING count(*) > 1
    UNION
    SELECT t.reverses_id FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id IN (t.id, t.reverses_id)
    WHERE t.reverses_id IS NOT NULL GROUP BY t.id, t.reverses_id, e.book, e.order_id, e.currency HAVING sum(e.amount_cents) <> 0
    """,
)
invariant(
    "I60",
    "The numbers of invoices and of credit notes have no gap.",
    """
    SELECT account_id, series FROM payments_invoice GROUP BY account_id, series
    HAVING min(sequence) <> 1 OR max(sequence) <> count(*)
    """,
)
invariant(
    "I60.lines",
    "A document says what its lines say, all of them of its order and in its currency.",
    """
    SELECT i.id FROM payments_invoice i
    JOIN orders_order o ON o.id = i.order_id
    LEFT JOIN payments_invoiceline n ON n.invoice_id = i.id
    LEFT JOIN orders_orderline l ON l.id = n.order_line_id
    GROUP BY i.id, o.id
    HAVING coalesce(sum(l.amount_cents), 0) <> i.total_cents OR coalesce(sum(l.tax_cents), 0) <> i.tax_cents
        OR bool_or(l.order_id <> i.order_id) OR o.currency <> i.currency
    """,
)
invariant(
    "I61",
    "A coupon was used as often as it says, and no more often than it allows.",
    """
    SELECT c.id FROM payments_coupon c LEFT JOIN payments_couponuse u ON u.coupon_id = c.id
    GROUP BY c.id HAVING count(u.id) <> c.uses OR c.uses > c.max_uses
    """,
)
