"""Invariants of time and sessions (security.md §3)."""

from apps.core.doctor import invariant

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
    "The shares of an order's sessions add up to its total, and none is missing.",
    """
    SELECT o.id FROM orders_order o LEFT JOIN bookings_booking b ON b.order_id = o.id
    GROUP BY o.id
    HAVING coalesce(sum(b.price_cents), 0) <> o.total_amount_cents
        OR count(b.id) <> (o.package_metadata ->> 'total_sessions')::int
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
