"""What changed without an event that says so, or is said without having changed: over all rows, whatever was done to them."""

from typing import Any

from apps.core.db import rows

# table of the history, label of the subject, column
STATES = (
    ("bookings_historicalbooking", "bookings.booking", "status"),
    ("orders_historicalorder", "orders.order", "status"),
    ("orders_historicalorder", "orders.order", "payment_status"),
    ("payments_historicalpayment", "payments.payment", "status"),
    ("payments_historicalrefund", "payments.refund", "status"),
    ("payments_historicaldispute", "payments.dispute", "status"),
    ("payments_historicalgiftcode", "payments.giftcode", "status"),
)
STEPS = """
    WITH lived AS (
        SELECT id, {column} AS now, lag({column}) OVER (PARTITION BY id ORDER BY history_id) AS before FROM {table}
    ), changed AS (
        SELECT id, before, now, count(*) AS times FROM lived WHERE before <> now GROUP BY 1, 2, 3
    ), told AS (
        SELECT subject_id AS id, changes -> %(column)s ->> 0 AS before, changes -> %(column)s ->> 1 AS now,
               count(DISTINCT transaction || type) AS times
        FROM core_event WHERE subject_type = %(subject)s AND changes -> %(column)s ->> 0 <> changes -> %(column)s ->> 1 GROUP BY 1, 2, 3
    )
    SELECT id, before, now, c.times, t.times FROM changed c FULL JOIN told t USING (id, before, now) WHERE c.times IS DISTINCT FROM t.times
"""
MOVEMENTS = {
    "captured": """
        SELECT p.id FROM payments_payment p WHERE p.captured_cents > 0 AND 1 <> (
            SELECT count(*) FROM core_event e WHERE e.type = 'payment.succeeded' AND e.subject_id = p.id)""",
    "went back": """
        SELECT r.id FROM payments_refund r WHERE r.status = 'succeeded' AND NOT EXISTS (
            SELECT FROM core_event e WHERE e.type = 'refund.succeeded' AND e.subject_id = r.id)""",
    "disputed": """
        SELECT d.id FROM payments_dispute d WHERE 1 <> (
            SELECT count(*) FROM core_event e WHERE e.type = 'dispute.opened' AND e.subject_id = d.id)""",
    "credit": """
        SELECT w.id FROM payments_wallettransaction w WHERE NOT EXISTS (
            SELECT FROM core_event e
            WHERE (w.kind = 'credit' AND e.type = 'wallet.credited' AND e.subject_id = w.lot_id)
               OR (w.kind = 'expire' AND e.type = 'wallet.expired' AND e.subject_id = w.lot_id)
               OR (w.kind = 'debit' AND e.type = 'wallet.debited' AND e.subject_id = w.id)
               OR (w.kind IN ('spend', 'return') AND e.subject_type = 'payments.payment' AND e.subject_id = w.payment_id))""",
    "points": """
        SELECT p.id FROM payments_pointsentry p WHERE 1 <> (
            SELECT count(*) FROM core_event e WHERE e.type = 'points.changed' AND e.subject_id = p.id)""",
    "invoiced": """
        SELECT i.id FROM payments_invoice i WHERE 1 <> (
            SELECT count(*) FROM core_event e WHERE e.type = i.kind || '.issued' AND e.subject_id = i.id)""",
}


def untold() -> dict[str, list[Any]]:
    """{what: rows} that disagree; call it in the platform scope."""
    found = {
        f"{subject}.{column} untold": rows(STEPS.format(table=table, column=column), {"column": column, "subject": subject})
        for table, subject, column in STATES
    }
    found |= {f"{what} untold": rows(sql) for what, sql in MOVEMENTS.items()}
    return {what: rows for what, rows in found.items() if rows}
