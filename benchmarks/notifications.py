"""``make bench-notifications``: what PostgreSQL needs for a page of notifications, and for the unread count, at 1,000,000 rows.

200 accounts; the busiest reader has 50,000 of the rows, most of them unread. The views are called in this process; what is measured is
the time that their statements take, as our role, under row-level security, one after the other on a warm cache.

    make bench-notifications ARGS="--rows 1000000 --times 300"
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA_DIR = ROOT / ".data" / "bench-notifications"
ACCOUNTS, OF_THE_BUSIEST, BATCH = 200, 0.05, 50_000
FILL = """
    INSERT INTO notifications_notification (account_id, user_id, key, kind, title, message, action_url, data, read_at, created_at, updated_at)
    SELECT (%(accounts)s::bigint[])[1 + g %% %(n)s], (%(users)s::bigint[])[1 + g %% %(n)s], 'bench:' || g,
           (ARRAY['booking_confirmed', 'booking_cancelled', 'payment_received'])[1 + g %% 3], 'Confirmed: session ' || g,
           repeat('Your session takes place as planned. ', 3), '/bookings/' || g, '{"booking": 1}',
           CASE WHEN g %% 10 < %(read)s THEN now() END, now() - g * interval '1 min', now()
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) g
"""


def main() -> None:
    """Load what is missing, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=300)
    options = parser.parse_args()
    os.environ.update(DATA_DIR=str(DATA_DIR), DJANGO_SETTINGS_MODULE="config.settings.local", LOG_LEVEL="WARNING")
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    reader = load(options.rows)
    print(
        f"\n{options.rows:,} notifications, {reader['rows']:,} of them the reader's, {reader['unread']:,} unread; {options.times} calls each\n"
    )
    print("| request | statements | in the database p50 ms | p95 ms | whole request p50 ms |\n|---|---:|---:|---:|---:|")
    for door, token in (("", reader["staff"]), ("customer/", reader["customer"])):
        page = f"/api/{door}notifications/"
        for path in (page, f"{page}?unread=true", f"{page}unread-count/"):
            print(f"| GET {path} | " + " | ".join(measure(path, token, options.times)) + " |", flush=True)


def load(wanted: int) -> dict[str, Any]:
    """200 accounts with an owner each, who is also a customer; the first one is the busiest."""
    from django.db import connection

    from apps.accounts.models import ApiToken, Membership
    from apps.core.tenancy import account_scope, platform_scope
    from apps.notifications.models import Notification
    from apps.users.models import Customer, User
    from factories.accounts import AccountFactory, MembershipFactory
    from factories.clients import ClientFactory
    from factories.users import CustomerFactory

    with platform_scope("benchmark"):
        members = list(Membership.objects.order_by("pk").values_list("account_id", "user_id")[:ACCOUNTS])
        while len(members) < ACCOUNTS:
            account, customer = AccountFactory(slug=f"bench-{len(members)}"), CustomerFactory()
            with account_scope(account):
                MembershipFactory(account=account, user=customer.user)
                ClientFactory(account=account, customer=customer)
            members.append((account.pk, customer.user_id))
        there = Notification.objects.count()
    if there < wanted:
        print(f"loading {wanted - there:,} notifications …", flush=True)
        accounts, users = ([member[i] for member in members] for i in (0, 1))
        busiest = int(wanted * OF_THE_BUSIEST)
        with platform_scope("benchmark"), connection.cursor() as cursor:
            everybody = {"accounts": accounts, "users": users, "n": ACCOUNTS, "read": 9, "first": there + 1, "last": wanted - busiest}
            one = {"accounts": accounts[:1], "users": users[:1], "n": 1, "read": 2, "first": wanted - busiest + 1, "last": wanted}
            for part in (everybody, one):
                for first in range(part["first"], part["last"] + 1, BATCH):
                    cursor.execute(FILL, {**part, "first": first, "last": min(first + BATCH - 1, part["last"])})
                    print(f"\r  {min(first + BATCH - 1, part['last']):,}", end="", flush=True)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE notifications_notification")
    account_id, user_id = members[0]
    with platform_scope("benchmark"):
        mine = Notification.objects.filter(account_id=account_id, user_id=user_id)
        counts = {"rows": mine.count(), "unread": mine.filter(read_at=None).count()}
    user = User.objects.get(pk=user_id)
    assert Customer.objects.filter(user=user).exists()
    tokens = [ApiToken.objects.create(user=user, expiry=timedelta(days=1))[1] for _ in range(2)]
    return {**counts, "staff": tokens[0], "customer": tokens[1]}


def measure(path: str, token: str, times: int) -> list[str]:
    """The columns of one row of the table."""
    from django.test import Client

    client = Client(headers={"Authorization": f"Token {token}"}, SERVER_NAME="127.0.0.1")
    client.get(path)
    found = []
    for _ in range(times):
        with counted() as seen:
            began = time.perf_counter()
            answer = client.get(path)
            whole = time.perf_counter() - began
        assert answer.status_code == 200, answer.content
        found.append((len(seen), sum(seen) * 1000, whole * 1000))
    database = [one[1] for one in found]
    return [
        str(found[0][0]),
        f"{statistics.median(database):.2f}",
        f"{statistics.quantiles(database, n=20)[-1]:.2f}",
        f"{statistics.median(one[2] for one in found):.1f}",
    ]


@contextmanager
def counted() -> Iterator[list[float]]:
    """The seconds of each statement."""
    from django.db import connection

    seen: list[float] = []

    def watch(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            seen.append(time.perf_counter() - began)

    with connection.execute_wrapper(watch):
        yield seen


if __name__ == "__main__":
    main()
