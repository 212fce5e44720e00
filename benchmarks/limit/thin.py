"""The limit: what the hot reads cost a Python service that does nothing else. Raw WSGI, psycopg 3, orjson.

The same database, rows, role and row-level security as the application, and the same JSON. Each read is one prepared statement:
it finds the token, says who asks, finds the membership, opens the account's scope and lets PostgreSQL make the JSON. There is
no routing, no filter, no permission by role, no history, no event, no error envelope.

    DSN="host=… user=app dbname=clientele" granian --interface wsgi benchmarks.limit.thin:application
"""

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import orjson
import psycopg

# A policy reads its setting when its table is first touched, and LATERAL … OFFSET 0 keeps that after the row that sets it.
MEMBER = """
WITH caller AS MATERIALIZED (
    SELECT t.user_id, set_config('app.user_id', t.user_id::text, true) AS applied
    FROM accounts_apitoken t JOIN users_user u ON u.id = t.user_id
    WHERE t.digest = %(digest)s::text AND t.expiry > now() AND u.is_active
), member AS MATERIALIZED (
    SELECT m.account_id, a.name, a.currency, a.timezone, set_config('app.account_id', m.account_id::text, true) AS applied
    FROM caller CROSS JOIN LATERAL (
        SELECT account_id FROM accounts_membership WHERE user_id = caller.user_id AND caller.applied <> '' AND is_active OFFSET 0
    ) m JOIN accounts_account a ON a.id = m.account_id AND a.status = 'active'
)
"""

BOOKING_COLUMNS = """
    b.id, b.order_id AS order, b.client_id AS client, c.full_name AS client_name, b.practitioner_id AS practitioner,
    p.display_name AS practitioner_name, b.service_id AS service, s.name AS service_name, b.position, b.status, b.payment_status,
    b.start_time, b.end_time, b.timezone, b.seat, b.attendee_name, b.allocation, b.price_cents, b.tax_cents, b.currency, b.version,
    b.hold_expires_at, CASE WHEN b.status IN ('held', 'pending', 'confirmed', 'checked_in') THEN b.start_time END AS free_until,
    b.fee_cents, b.is_granted, b.overlap_allowed, b.override_reason, b.series_id AS series, b.original_start, b.cancelled_at,
    b.cancelled_side, b.cancelled_late, b.cancel_reason,
    CASE b.status WHEN 'draft' THEN '["schedule","hold","cancel"]'::json
        WHEN 'confirmed' THEN '["reschedule","check-in","complete","cancel","no-show"]'::json
        WHEN 'checked_in' THEN '["complete"]'::json WHEN 'no_show' THEN '["undo-no-show"]'::json ELSE '[]'::json END AS allowed_actions,
    b.created_at, b.updated_at
"""
BOOKING_JOINS = """
    JOIN clients_client c ON c.id = b.client_id JOIN catalog_service s ON s.id = b.service_id
    LEFT JOIN catalog_practitioner p ON p.id = b.practitioner_id
"""
RECENT = "account_id = member.account_id AND member.applied <> '' ORDER BY created_at DESC, id DESC LIMIT 50"

BOOKINGS = f"""
    SELECT {BOOKING_COLUMNS} FROM (SELECT * FROM bookings_booking WHERE {RECENT}) b {BOOKING_JOINS}
    ORDER BY b.created_at DESC, b.id DESC
"""
ORDERS = f"""
    SELECT o.id, o.number, o.client_id AS client, oc.full_name AS client_name, o.order_type, o.package_id AS package,
        o.service_id AS service, st.site_id AS site, o.status, o.payment_status, o.subtotal_cents, o.discount_cents, o.tax_cents,
        o.total_amount_cents, o.paid_cents, o.refunded_cents,
        greatest(0, o.total_amount_cents - o.paid_cents + o.refunded_cents) AS balance_due_cents, o.currency, o.package_metadata,
        held.total_sessions, held.sessions_completed, held.sessions_remaining, o.activated_at, o.expires_at, o.frozen_at,
        o.parent_id AS parent, to_json(CASE WHEN o.order_type = 'package' THEN CASE o.status
            WHEN 'active' THEN '{{pause,extend,transfer,grant,schedule-next}}'::text[]
            WHEN 'completed' THEN '{{extend,grant}}'::text[] ELSE '{{}}'::text[] END ELSE '{{}}'::text[] END
            || CASE WHEN o.paid_cents - o.refunded_cents < o.total_amount_cents AND o.status <> 'cancelled' THEN '{{pay}}'::text[]
                ELSE '{{}}'::text[] END
            || CASE WHEN o.status IN ('active', 'paused', 'expired') OR o.paid_cents - o.refunded_cents > o.total_amount_cents
                THEN '{{refund}}'::text[] ELSE '{{}}'::text[] END) AS allowed_actions,
        held.bookings, o.created_at, o.updated_at
    FROM (SELECT * FROM orders_order WHERE {RECENT}) o JOIN clients_client oc ON oc.id = o.client_id
    LEFT JOIN sites_site st ON st.id = o.site_id
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(x ORDER BY x.position), '[]') AS bookings, count(*) AS total_sessions,
            count(*) FILTER (WHERE x.status = 'completed') AS sessions_completed,
            count(*) FILTER (WHERE x.status NOT IN ('completed', 'cancelled', 'no_show', 'forfeited')) AS sessions_remaining
        FROM (SELECT {BOOKING_COLUMNS} FROM bookings_booking b {BOOKING_JOINS} WHERE b.order_id = o.id) x
    ) held
    ORDER BY o.created_at DESC, o.id DESC
"""
CLIENTS = f"""
    SELECT id, full_name, email, phone_number, stage, source, owner_id AS owner, tags, custom_fields, consents, customer_id AS customer,
        tax_id, tax_code, billing_address, blocked_at, blocked_reason, created_at, updated_at
    FROM clients_client WHERE merged_into_id IS NULL AND {RECENT}
"""
PACKAGES = f"""
    SELECT k.id, k.account_id AS account, member.name AS account_name, k.package_name, k.description, k.price_cents, member.currency,
        k.valid_days, k.expiry, k.transferable, k.transfer_fee_cents, k.max_transfers, k.max_pauses_per_year, k.max_pause_days, k.is_public, k.is_active, held.items, held.total_sessions, k.created_at, k.updated_at
    FROM (SELECT * FROM packages_package WHERE {RECENT}) k
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_object('service', i.service_id, 'service_name', s.name, 'quantity', i.quantity)
            ORDER BY i.position), '[]') AS items, coalesce(sum(i.quantity), 0) AS total_sessions
        FROM packages_packageitem i JOIN catalog_service s ON s.id = i.service_id WHERE i.package_id = k.id
    ) held
    ORDER BY k.created_at DESC, k.id DESC
"""


def json_page(rows: str) -> str:
    """One row: the results as JSON, and the place behind the last one (loaded ids and times rise together)."""
    return f"""{MEMBER} SELECT page.* FROM member CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(x), '[]')::text, count(*), min(x.created_at), min(x.id) FROM ({rows}) x
    ) page"""


LISTS = {f"/api/{name}/": json_page(rows) for name, rows in
         (("bookings", BOOKINGS), ("orders", ORDERS), ("clients", CLIENTS), ("packages", PACKAGES))}  # fmt: skip
BOOKING_ROWS = f"{MEMBER} SELECT page.* FROM member CROSS JOIN LATERAL ({BOOKINGS} OFFSET 0) page"

# Weekly hours and bookings only; the application also reads overrides, time off, validity, notice, horizon and seats.
SLOTS = f"""{MEMBER} SELECT member.timezone, answer.slots FROM member CROSS JOIN LATERAL (
    WITH offer AS MATERIALIZED (
        SELECT p.id, p.timezone, make_interval(mins => coalesce(o.duration_minutes, s.duration_minutes)) AS duration,
            make_interval(mins => coalesce(s.slot_step_minutes, o.duration_minutes, s.duration_minutes)) AS step,
            make_interval(mins => s.min_notice_minutes) AS notice, coalesce(o.price_cents, s.price_cents) AS price_cents
        FROM catalog_offering o JOIN catalog_practitioner p ON p.id = o.practitioner_id JOIN catalog_service s ON s.id = o.service_id
        WHERE o.account_id = member.account_id AND member.applied <> '' AND o.service_id = %(service)s::bigint
            AND (%(practitioner)s::bigint IS NULL OR o.practitioner_id = %(practitioner)s::bigint)
            AND o.is_active AND p.is_active AND s.is_active
    ), opening AS (
        SELECT offer.*, (day + w.start) AT TIME ZONE offer.timezone AS opens, (day + w."end") AT TIME ZONE offer.timezone AS closes
        FROM offer JOIN scheduling_weeklyhours w ON w.practitioner_id = offer.id
        JOIN generate_series(%(first)s::timestamp, %(last)s::timestamp - interval '1 day', '1 day') day
            ON extract(isodow FROM day) = w.weekday + 1
    ), busy AS MATERIALIZED (
        SELECT b.practitioner_id, range_agg(tstzrange(b.busy_from, b.busy_until)) AS times FROM bookings_booking b
        WHERE b.account_id = member.account_id AND b.practitioner_id = ANY (ARRAY(SELECT id FROM offer))
            AND b.status IN ('held', 'pending', 'confirmed', 'checked_in')
            AND b.busy_from > %(first)s::timestamptz - interval '9 days' AND b.busy_from < %(last)s::timestamptz + interval '1 day'
        GROUP BY b.practitioner_id
    )
    SELECT coalesce(json_agg(json_build_object('start', start, 'end', start + duration, 'practitioner', opening.id, 'seats_left', 1,
        'price_cents', price_cents, 'currency', member.currency, 'bookable_until', start - notice) ORDER BY start, opening.id), '[]')::text
        AS slots
    FROM opening CROSS JOIN LATERAL generate_series(opens, closes - duration, step) start
    LEFT JOIN busy ON busy.practitioner_id = opening.id
    WHERE busy.times IS NULL OR NOT busy.times && tstzrange(start, start + duration)
) answer"""

ENTER = f"{MEMBER} SELECT account_id FROM member"
SCHEDULE = f"""
    WITH b AS (
        UPDATE bookings_booking SET practitioner_id = %(practitioner)s::bigint, status = 'confirmed', start_time = %(start)s::timestamptz,
            end_time = %(start)s::timestamptz + interval '30 min', busy_from = %(start)s::timestamptz,
            busy_until = %(start)s::timestamptz + interval '30 min', timezone = 'Europe/Berlin', seat = 1, version = version + 1,
            updated_at = now()
        WHERE account_id = %(account)s::bigint AND id = %(booking)s::bigint AND status = 'draft' RETURNING *
    )
    SELECT row_to_json(x)::text FROM (SELECT {BOOKING_COLUMNS} FROM b {BOOKING_JOINS}) x
"""

_local = threading.local()


def connection() -> psycopg.Connection[Any]:
    """One connection per thread of the server."""
    found: psycopg.Connection[Any] | None = getattr(_local, "connection", None)
    if found is None:
        found = _local.connection = psycopg.connect(os.environ["DSN"], autocommit=True, prepare_threshold=0)
    return found


def answer(cursor: Any, path: str, query: str, digest: str, body: bytes = b"", host: str = "") -> tuple[str, bytes]:
    """Status and JSON of one request."""
    if path in LISTS:
        found = cursor.execute(LISTS[path], {"digest": digest}).fetchone()
        if found is None:
            return "401 Unauthorized", b"{}"
        results, count, created_at, pk = found
        link = next_link(host, path, query, created_at, pk) if count == 50 else b"null"
        return "200 OK", b'{"next":%b,"previous":null,"results":%b}' % (link, results.encode())
    if path == "/rows/bookings/":
        rows = cursor.execute(BOOKING_ROWS, {"digest": digest}).fetchall()
        names = [column.name for column in cursor.description]
        results = [dict(zip(names, row, strict=True)) for row in rows]
        link = next_link(host, path, query, rows[-1][-2], rows[-1][0]) if len(rows) == 50 else b"null"
        page = {"next": orjson.Fragment(link), "previous": None, "results": results}
        return "200 OK", orjson.dumps(page, option=orjson.OPT_UTC_Z)
    if path == "/api/slots/":
        asked = {key: values[0] for key, values in parse_qs(query).items()}
        practitioner = asked.get("practitioner", "any")
        values = {"digest": digest, "service": asked["service"], "practitioner": None if practitioner == "any" else practitioner}
        found = cursor.execute(SLOTS, {**values, "first": asked["from"], "last": asked["to"]}).fetchone()
        return "200 OK", b'{"timezone":"%b","slots":%b}' % (found[0].encode(), found[1].encode())
    if path.endswith("/schedule/"):
        wanted = orjson.loads(body)
        with cursor.connection.transaction():
            (account,) = cursor.execute(ENTER, {"digest": digest}).fetchone()
            values = {"account": account, "booking": path.split("/")[3], "practitioner": wanted["practitioner"]}
            (booking,) = cursor.execute(SCHEDULE, {**values, "start": wanted["start_time"]}).fetchone()
        return "200 OK", booking.encode()
    return "404 Not Found", b"{}"


def next_link(host: str, path: str, query: str, created_at: Any, pk: int) -> bytes:
    """The address of the page behind this row, in the application's own cursor format."""
    cursor = base64.urlsafe_b64encode(orjson.dumps(["-created_at,-id", False, created_at, pk])).decode().rstrip("=")
    return f'"http://{host}{path}?{query}{"&" if query else ""}cursor={cursor}"'.encode()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Token ")
    digest = hashlib.sha256(token.encode()).hexdigest()
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])) if environ["REQUEST_METHOD"] == "POST" else b""
    with connection().cursor() as cursor:
        status, made = answer(cursor, environ["PATH_INFO"], environ["QUERY_STRING"], digest, body, environ.get("HTTP_HOST", ""))
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(made)))])
    return [made]
