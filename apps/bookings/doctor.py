"""Invariants of time and sessions (security.md §3)."""

from apps.bookings.lifecycle import possible_steps
from apps.core.doctor import invariant

STEPS = ", ".join(f"('{before}', '{after}')" for before, after in possible_steps())

invariant(
    "I01",
    "No two sessions of a practitioner overlap, buffers included; only seats of one occurrence share time.",
    """
    SELECT id FROM (
        SELECT id, busy_from, service_id, start_time,
               max(busy_until) OVER before AS reached,
               lag(service_id) OVER ordered AS last_service, lag(start_time) OVER ordered AS last_start
        FROM bookings_booking
        WHERE status IN ('held', 'pending', 'confirmed', 'checked_in') AND NOT overlap_allowed
        WINDOW ordered AS (PARTITION BY practitioner_id ORDER BY busy_from, id),
               before AS (PARTITION BY practitioner_id ORDER BY busy_from, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) x
    WHERE reached > busy_from AND NOT (last_service = service_id AND last_start = start_time)
    """,
)
invariant(
    "I02",
    "The claimed range is the session's time with its buffers.",
    """
    SELECT id FROM bookings_booking WHERE start_time IS NOT NULL AND (
        busy_from IS DISTINCT FROM start_time - make_interval(mins => buffer_before_minutes)
        OR busy_until IS DISTINCT FROM end_time + make_interval(mins => buffer_after_minutes))
    """,
)
invariant(
    "I03",
    "A scheduled session has practitioner, times and positive length.",
    """
    SELECT id FROM bookings_booking WHERE status NOT IN ('draft', 'cancelled', 'forfeited')
      AND (practitioner_id IS NULL OR start_time IS NULL OR end_time IS NULL OR end_time <= start_time OR isempty(occupied))
    """,
)
invariant(
    "I04",
    "No seat is given twice and none is beyond the capacity.",
    """
    SELECT min(id) FROM bookings_booking
    WHERE status IN ('held', 'pending', 'confirmed', 'checked_in') AND NOT overlap_allowed
    GROUP BY practitioner_id, start_time, seat HAVING count(*) > 1
    UNION ALL SELECT id FROM bookings_booking WHERE seat > capacity
    """,
)
invariant(
    "I05",
    "No lapsed hold still blocks a slot.",
    "SELECT id FROM bookings_booking WHERE status = 'held' AND hold_expires_at < now() - interval '5 min'",
)
invariant(
    "I06",
    "The prices of what was bought, and the tax in them, in the order and in those it was transferred to, add up to its item and discount"
    " lines; no session has more tax than it costs.",
    """
    SELECT sold.id FROM (
        SELECT o.id, coalesce(sum(l.amount_cents) FILTER (WHERE l.kind IN ('item', 'discount')), 0) AS cents,
               coalesce(sum(l.tax_cents) FILTER (WHERE l.kind IN ('item', 'discount')), 0) AS tax
        FROM orders_order o LEFT JOIN orders_orderline l ON l.order_id = o.id
        WHERE o.parent_id IS NULL AND o.order_type NOT IN ('gift', 'site') GROUP BY o.id
    ) sold LEFT JOIN (
        SELECT coalesce(o.parent_id, o.id) AS id, sum(b.price_cents) AS cents, sum(b.tax_cents) AS tax
        FROM bookings_booking b JOIN orders_order o ON o.id = b.order_id WHERE NOT b.is_granted GROUP BY 1
    ) held ON held.id = sold.id
    WHERE (coalesce(held.cents, 0), coalesce(held.tax, 0)) <> (sold.cents, sold.tax)
    UNION SELECT order_id FROM bookings_booking WHERE tax_cents > price_cents
    """,
)
invariant(
    "I06.sessions",
    "An order has as many sessions as were bought or received, without those it has given to other clients and those granted on top.",
    """
    SELECT o.id FROM orders_order o
    LEFT JOIN (SELECT order_id, count(*) AS n FROM bookings_booking WHERE NOT is_granted GROUP BY order_id) held ON held.order_id = o.id
    LEFT JOIN (
        SELECT account_id, package_metadata ->> 'transferred_from' AS number, sum((package_metadata ->> 'total_sessions')::int) AS n
        FROM orders_order WHERE parent_id IS NOT NULL GROUP BY 1, 2
    ) given ON given.account_id = o.account_id AND given.number = o.number
    WHERE coalesce(held.n, 0) + coalesce(given.n, 0) <> (o.package_metadata ->> 'total_sessions')::int
    """,
)
invariant(
    "I18.bookings",
    "No session points into another account.",
    """
    SELECT b.id FROM bookings_booking b JOIN orders_order o ON o.id = b.order_id WHERE o.account_id <> b.account_id
    UNION ALL SELECT b.id FROM bookings_booking b JOIN catalog_practitioner p ON p.id = b.practitioner_id WHERE p.account_id <> b.account_id
    UNION ALL SELECT b.id FROM bookings_booking b JOIN catalog_service s ON s.id = b.service_id WHERE s.account_id <> b.account_id
    UNION ALL SELECT b.id FROM bookings_booking b JOIN clients_client c ON c.id = b.client_id WHERE c.account_id <> b.account_id
    """,
)
invariant(
    "I18.documents",
    "No document points to a session of another account or client.",
    """
    SELECT d.id FROM bookings_bookingdocument d JOIN bookings_booking b ON b.id = d.booking_id
    WHERE b.account_id <> d.account_id OR b.client_id <> d.client_id
    """,
)
invariant(
    "I18.reviews",
    "No review points to a session of another account or client.",
    """
    SELECT r.id FROM bookings_review r JOIN bookings_booking b ON b.id = r.booking_id
    WHERE b.account_id <> r.account_id OR b.client_id <> r.client_id
    """,
)
invariant(
    "I19",
    "A session belongs to its order's client.",
    "SELECT b.id FROM bookings_booking b JOIN orders_order o ON o.id = b.order_id WHERE b.client_id <> o.client_id",
)
invariant(
    "I20",
    "No future session is held by a practitioner whose login has left.",
    """
    SELECT b.id FROM bookings_booking b JOIN catalog_practitioner p ON p.id = b.practitioner_id
    JOIN accounts_membership m ON m.id = p.member_id
    WHERE b.status IN ('held', 'pending', 'confirmed') AND b.start_time > now() AND NOT m.is_active
    """,
)
invariant(
    "I30",
    "A session's history makes only the steps of the transition table, begins as a draft, and ends where the session is.",
    f"""
    SELECT id FROM (
        SELECT id, status, lag(status) OVER (PARTITION BY id ORDER BY history_id) AS before FROM bookings_historicalbooking
    ) x
    WHERE (before IS NULL AND status <> 'draft') OR (before <> status AND (before, status) NOT IN ({STEPS}))
    UNION SELECT b.id FROM bookings_booking b
    JOIN LATERAL (
        SELECT status, start_time, practitioner_id, version FROM bookings_historicalbooking h
        WHERE h.id = b.id ORDER BY h.history_id DESC LIMIT 1
    ) last ON true
    WHERE (b.status, b.start_time, b.practitioner_id, b.version)
        IS DISTINCT FROM (last.status, last.start_time, last.practitioner_id, last.version)
    """,  # noqa: S608  the steps are constants of ours
)
invariant(
    "I32",
    "Every document lies below its account's folder under a key of its own, and is within the limit of size.",
    r"""
    SELECT id FROM bookings_bookingdocument
    WHERE split_part(storage_key, '/', 1) <> account_id::text OR storage_key ~ '(\.\.|\\|//)' OR size NOT BETWEEN 1 AND 10485760
    UNION ALL SELECT min(id) FROM bookings_bookingdocument GROUP BY storage_key HAVING count(*) > 1
    """,
)
invariant(
    "I41",
    "A practitioner's rating is the sum of the published reviews.",
    """
    SELECT p.id FROM catalog_practitioner p
    LEFT JOIN bookings_review r ON r.practitioner_id = p.id AND r.account_id = p.account_id AND r.status = 'published'
    GROUP BY p.id HAVING (p.rating_total, p.rating_count) IS DISTINCT FROM (coalesce(sum(r.rating), 0)::bigint, count(r.id))
    """,
)
invariant(
    "I45",
    "A package is paused exactly while a pause covers the account's today (an hour after midnight is allowed for the job).",
    """
    SELECT o.id FROM orders_order o JOIN accounts_account a ON a.id = o.account_id
    CROSS JOIN LATERAL (
        SELECT (now() AT TIME ZONE a.timezone)::date AS today, ((now() - interval '1 hour') AT TIME ZONE a.timezone)::date AS before
    ) clock
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(daterange(p.first_day, p.last_day, '[]') @> clock.today), false) AS now,
               coalesce(bool_or(daterange(p.first_day, p.last_day, '[]') @> clock.before), false) AS before
        FROM orders_packagepause p WHERE p.order_id = o.id
    ) rests
    WHERE (o.status = 'paused' AND NOT rests.now AND NOT rests.before) OR (o.status = 'active' AND rests.now AND rests.before)
    """,
)
invariant(
    "I46",
    "No unscheduled session is left in an order that ended more than a day ago, unless an open pause will move the end.",
    """
    SELECT b.id FROM bookings_booking b JOIN orders_order o ON o.id = b.order_id
    WHERE b.status = 'draft' AND o.expires_at < now() - interval '1 day'
      AND NOT EXISTS (SELECT FROM orders_packagepause p WHERE p.order_id = o.id AND p.last_day IS NULL)
    """,
)
invariant(
    "I47",
    "An order of transferred sessions costs its fees only and hangs below the order that was paid; granted sessions are free.",
    """
    SELECT c.id FROM orders_order c JOIN orders_order r ON r.id = c.parent_id
    WHERE r.parent_id IS NOT NULL OR c.currency <> r.currency OR c.subtotal_cents <> 0 OR c.order_type <> 'package'
       OR EXISTS (SELECT FROM orders_orderline l WHERE l.order_id = c.id AND l.kind IN ('item', 'discount'))
    UNION ALL SELECT order_id FROM bookings_booking WHERE is_granted AND price_cents <> 0
    """,
)
invariant(
    "I50",
    "A waiting client is under offer exactly while an offer of theirs is open; what was sold for an offer that came to nothing is void.",
    """
    SELECT e.id FROM bookings_waitlistentry e
    WHERE (e.status = 'offered') <> EXISTS (SELECT 1 FROM bookings_waitlistoffer o WHERE o.entry_id = e.id AND o.status = 'open')
    UNION ALL SELECT o.id FROM bookings_waitlistoffer o JOIN orders_order sold ON sold.id = o.order_id
    WHERE o.status IN ('declined', 'lapsed', 'withdrawn') AND sold.status <> 'cancelled'
    """,
)
