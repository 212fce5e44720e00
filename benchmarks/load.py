"""Fill a database with deterministic rows: accounts, their catalogue, clients, orders and bookings, all by INSERT … SELECT.

Account 1 holds 10 % of the bookings, the others share the rest evenly. Every account has 20 practitioners who all give 5
services, and 60 packages of ten sessions. A practitioner's bookings lie one behind the other: 16 half hours a day, two of
each three, in Berlin's wall time, from FIRST_DAY on; so with 100,000 bookings account 1 has 500 for each practitioner, which
fill 31 days and a quarter. Ids start at BASE, so that rows written later by the application never meet them.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg

BASE = 1_000_000_000
FIRST_DAY = date(2030, 1, 7)
"""A Monday far enough ahead for every booking to lie in the future."""
PRACTITIONERS, SERVICES, PACKAGES, SESSIONS = 20, 5, 60, 5
SOURCE = "benchmark"
"""``source`` of the loaded orders; what a benchmark run adds carries another one and is taken away again."""


@dataclass(frozen=True)
class Size:
    bookings: int = 100_000
    accounts: int = 200


def account_id(number: int) -> int:
    """The id of account 1, 2, … of the load."""
    return BASE + number


def practitioner_id(account: int, index: int) -> int:
    """The id of practitioner 1 … 20 of an account by number."""
    return BASE + (account - 1) * PRACTITIONERS + index


def service_id(account: int, index: int) -> int:
    """The id of service 1 … 5 of an account by number."""
    return BASE + (account - 1) * SERVICES + index


def package_id(account: int, index: int) -> int:
    """The id of package 1 … 60 of an account by number."""
    return BASE + (account - 1) * PACKAGES + index


def token(account: int) -> str:
    """The API token of the owner of an account by number."""
    return hashlib.sha256(f"benchmark {account}".encode()).hexdigest()


# Every statement is given the same named values; %(base)s is where ids start.
STATEMENTS = """
CREATE TEMPORARY TABLE plan ON COMMIT DROP AS
SELECT g, account, k, k / %(sessions)s AS nth_order, k %% %(sessions)s + 1 AS position
FROM (
    SELECT g,
        CASE WHEN g %% 10 = 0 THEN 1 ELSE 2 + (g - g / 10 - 1) %% (%(accounts)s - 1) END AS account,
        CASE WHEN g %% 10 = 0 THEN g / 10 - 1 ELSE (g - g / 10 - 1) / (%(accounts)s - 1) END AS k
    FROM generate_series(1, %(bookings)s) g
) numbered;

CREATE TEMPORARY TABLE sale ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY min(g)) AS n, account, nth_order, min(g) AS g, count(*) AS size
FROM plan GROUP BY account, nth_order;
CREATE INDEX ON sale (account, nth_order);
ANALYZE sale;

INSERT INTO accounts_account (id, name, slug, timezone, currency, status, settings, country_id, created_at, updated_at)
SELECT %(base)s + a, 'Studio ' || a, 'benchmark-' || a, 'Europe/Berlin', 'EUR', 'active', '{}', 'DE', %(since)s, %(since)s
FROM generate_series(1, %(accounts)s) a;

INSERT INTO users_user (id, password, is_superuser, email, language, is_active, is_staff, date_joined)
SELECT %(base)s + a, '!', false, 'benchmark' || a || '@example.test', 'en', true, false, %(since)s
FROM generate_series(1, %(accounts)s) a;

INSERT INTO accounts_membership (id, account_id, user_id, role, is_active, created_at, updated_at)
SELECT %(base)s + a, %(base)s + a, %(base)s + a, 'owner', true, %(since)s, %(since)s FROM generate_series(1, %(accounts)s) a;

INSERT INTO accounts_apitoken (digest, token_key, created, expiry, public_id, label, user_id)
SELECT t.digest, left(t.digest, 15), now(), now() + interval '20 years', gen_random_uuid(), 'benchmark', %(base)s + t.n
FROM unnest(%(digests)s::text[]) WITH ORDINALITY t (digest, n);

INSERT INTO catalog_practitioner
    (id, account_id, display_name, headline, bio, timezone, limits, is_active, created_at, updated_at)
SELECT %(base)s + p, %(base)s + (p - 1) / %(practitioners)s + 1, 'Practitioner ' || p, '', '', 'Europe/Berlin', '{}', true,
    %(since)s, %(since)s
FROM generate_series(1, %(accounts)s * %(practitioners)s) p;

INSERT INTO catalog_service
    (id, account_id, name, description, category, duration_minutes, buffer_before_minutes, buffer_after_minutes, price_cents,
     capacity, min_notice_minutes, requires_approval, cancellation_policy, limits, is_active, created_at, updated_at)
SELECT %(base)s + s, %(base)s + (s - 1) / %(services)s + 1, 'Service number ' || s, '', 'Therapy', 30, 0, 0,
    4000 + s %% 40 * 100, 1, 0, false, '{}', '{}', true, %(since)s, %(since)s
FROM generate_series(1, %(accounts)s * %(services)s) s;

INSERT INTO catalog_offering (id, account_id, practitioner_id, service_id, is_active, created_at, updated_at)
SELECT %(base)s + row_number() OVER (), p.account_id, p.id, s.id, true, %(since)s, %(since)s
FROM catalog_practitioner p JOIN catalog_service s ON s.account_id = p.account_id WHERE p.id > %(base)s;

INSERT INTO scheduling_weeklyhours
    (id, account_id, practitioner_id, weekday, start, "end", every_weeks, priority, created_at, updated_at)
SELECT %(base)s + row_number() OVER (), p.account_id, p.id, weekday, '08:00', '20:00', 1, 0, %(since)s, %(since)s
FROM catalog_practitioner p CROSS JOIN generate_series(0, 6) weekday WHERE p.id > %(base)s;

INSERT INTO packages_package
    (id, account_id, package_name, description, price_cents, transferable, is_public, is_active, created_at, updated_at)
SELECT %(base)s + p, %(base)s + (p - 1) / %(packages)s + 1, 'Package ' || p, 'Ten sessions at a better price', 45000, false, true, true,
    %(since)s + p * interval '1 minute', %(since)s + p * interval '1 minute'
FROM generate_series(1, %(accounts)s * %(packages)s) p;

INSERT INTO packages_packageitem (id, account_id, package_id, service_id, quantity, position, created_at, updated_at)
SELECT %(base)s + (p - 1) * 2 + i, %(base)s + (p - 1) / %(packages)s + 1, %(base)s + p,
    %(base)s + (p - 1) / %(packages)s * %(services)s + (p + i) %% %(services)s + 1, 5, i, %(since)s, %(since)s
FROM generate_series(1, %(accounts)s * %(packages)s) p CROSS JOIN generate_series(1, 2) i;

INSERT INTO clients_client
    (id, account_id, full_name, email, phone_number, stage, source, tags, custom_fields, consents, created_at, updated_at)
SELECT %(base)s + n, %(base)s + account, 'Client Name ' || n, 'client' || n || '@example.test', '+49301' || lpad(n::text, 7, '0'),
    'active', 'website', '{"returning"}', '{}', '{}', %(since)s + g * interval '20 s', %(since)s + g * interval '20 s'
FROM sale;

INSERT INTO orders_order
    (id, account_id, number, client_id, order_type, package_id, subtotal_cents, discount_cents, tax_cents, total_amount_cents,
     currency, package_metadata, activated_at, status, payment_status, paid_cents, refunded_cents, source, created_at, updated_at)
SELECT %(base)s + n, %(base)s + account, 'B' || lpad(n::text, 7, '0'), %(base)s + n, 'package',
    %(base)s + (account - 1) * %(packages)s + nth_order %% %(packages)s + 1, 4500 * size, 0, 0, 4500 * size, 'EUR',
    jsonb_build_object('name', 'Five sessions', 'total_sessions', size), %(since)s + g * interval '20 s', 'active', 'unpaid', 0, 0,
    %(source)s, %(since)s + g * interval '20 s', %(since)s + g * interval '20 s'
FROM sale;

INSERT INTO orders_orderline
    (id, account_id, order_id, position, kind, description, quantity, unit_price_cents, amount_cents, created_at, updated_at)
SELECT %(base)s + n, %(base)s + account, %(base)s + n, 1, 'item', 'Five sessions', 1, 4500 * size, 4500 * size, %(since)s, %(since)s
FROM sale;

INSERT INTO bookings_booking
    (id, account_id, order_id, client_id, practitioner_id, service_id, position, status, payment_status, start_time, end_time,
     timezone, local_start, buffer_before_minutes, buffer_after_minutes, busy_from, busy_until, seat, capacity, overlap_allowed,
     override_reason, price_cents, tax_cents, currency, policy, cancel_reason, cancelled_late, version, created_at, updated_at)
SELECT %(base)s + g, %(base)s + account, %(base)s + n, %(base)s + n, %(base)s + (account - 1) * %(practitioners)s + k %% %(practitioners)s + 1,
    %(base)s + (account - 1) * %(services)s + nth_order %% %(services)s + 1, position, 'confirmed', 'unpaid',
    starts, starts + interval '30 min', 'Europe/Berlin', to_char(wall, 'YYYY-MM-DD"T"HH24:MI:SS'), 0, 0,
    starts, starts + interval '30 min', 1, 1, false, '', 4500, 0, 'EUR', '{}', '', false, 1,
    %(since)s + g * interval '20 s', %(since)s + g * interval '20 s'
FROM (
    SELECT plan.*, sale.n, wall, wall AT TIME ZONE 'Europe/Berlin' AS starts
    FROM plan JOIN sale USING (account, nth_order)
    CROSS JOIN LATERAL (SELECT k / %(practitioners)s AS nth) practice
    CROSS JOIN LATERAL (
        SELECT %(first_day)s::timestamp + nth / 16 * interval '1 day' + interval '8 h' + nth %% 16 * 3 / 2 * interval '30 min' AS wall
    ) clock
) timed
"""

ANALYZED = (
    "accounts_account", "users_user", "accounts_membership", "accounts_apitoken", "catalog_practitioner", "catalog_service",
    "catalog_offering", "scheduling_weeklyhours", "packages_package", "packages_packageitem", "clients_client", "orders_order",
    "orders_orderline", "bookings_booking", "sites_site",
)  # fmt: skip


def values_of(size: Size) -> dict[str, Any]:
    """The named values of STATEMENTS."""
    return {
        "base": BASE,
        "accounts": size.accounts,
        "bookings": size.bookings,
        "practitioners": PRACTITIONERS,
        "services": SERVICES,
        "packages": PACKAGES,
        "sessions": SESSIONS,
        "source": SOURCE,
        "first_day": FIRST_DAY,
        "since": datetime(2025, 1, 1, tzinfo=UTC),
        "digests": [hashlib.sha256(token(number).encode()).hexdigest() for number in range(1, size.accounts + 1)],
    }


EXCLUSIONS = """
    SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = 'bookings_booking'::regclass AND contype = 'x' ORDER BY conname
"""


def load(connection: psycopg.Connection[Any], size: Size) -> None:
    """Insert everything and ANALYZE, inside the caller's transaction of the role that owns the tables.

    The exclusion constraints of bookings are taken away and made again over all rows, which halves the time.
    """
    values = values_of(size)
    with psycopg.ClientCursor(connection) as cursor:  # literals: CREATE TABLE AS takes no parameters
        cursor.execute("SELECT set_config('app.platform', 'on', true)")
        exclusions = cursor.execute(EXCLUSIONS).fetchall()
        for name, _ in exclusions:
            cursor.execute(f"ALTER TABLE bookings_booking DROP CONSTRAINT {name}")
        for statement in STATEMENTS.split(";\n"):
            cursor.execute(statement, values)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # an altered table may have no check outstanding
        for name, definition in exclusions:
            cursor.execute(f"ALTER TABLE bookings_booking ADD CONSTRAINT {name} {definition}")
        cursor.execute("SELECT set_config('app.platform', '', true)")
        cursor.execute(f"ANALYZE {', '.join(ANALYZED)}")


def loaded_size(connection: psycopg.Connection[Any]) -> Size | None:
    """What an earlier ``load`` left in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.platform', 'on', true)")
        cursor.execute("SELECT count(*) FROM bookings_booking WHERE id > %s", [BASE])
        (bookings,) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM accounts_account WHERE id > %s", [BASE])
        (accounts,) = cursor.fetchone()
    return Size(bookings, accounts) if bookings else None
