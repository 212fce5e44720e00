"""Loading the demo into a database, and knowing a database that holds one."""

from collections.abc import Callable
from datetime import datetime

from django.core.management.base import CommandError
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import Account, Role
from apps.checkout.demo.businesses import ADMIN, BUSINESSES
from apps.checkout.demo.opening import open_business
from apps.checkout.demo.trading import trade
from apps.checkout.demo.websites import make_websites
from apps.core.demo import follow_ups
from apps.core.events import acting
from apps.core.tenancy import account_scope
from apps.users.models import User
from apps.users.services import confirm_email

MARKER = "clientele_demo"
"""A table that only a demo's database has, made together with the data: RESET empties no other database."""

# Statements are collected before the first one runs: dropping one thing takes others with it.
EMPTY = """
DO $$
DECLARE statements text[]; one text;
BEGIN
  SELECT array_agg(statement ORDER BY place) INTO statements FROM (
    SELECT 1 AS place, 'pg_proc'::regclass AS class, oid, format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure) AS statement
    FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 2, 'pg_class'::regclass, oid, format('DROP TABLE IF EXISTS %s CASCADE', oid::regclass)
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    UNION ALL
    SELECT 3, 'pg_type'::regclass, t.oid, format('DROP TYPE IF EXISTS %s CASCADE', t.oid::regtype)
    FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typnamespace = current_schema()::regnamespace AND (t.typtype = 'e' OR c.relkind = 'c')
  ) ours WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = ours.class AND d.objid = ours.oid AND d.deptype = 'e');
  FOREACH one IN ARRAY coalesce(statements, '{}') LOOP EXECUTE one; END LOOP;
END $$
"""


def is_loaded() -> bool:
    """Whether this database holds a demo."""
    return MARKER in connection.introspection.table_names()


def refuse_foreign_database() -> None:
    """Raises CommandError when there are accounts here that no demo made."""
    if not is_loaded() and Account._meta.db_table in connection.introspection.table_names() and Account.objects.exists():
        raise CommandError("This database holds accounts that are not a demo's. Point DATABASE_URL at an empty database.")


def empty_database() -> None:
    """Drop what a demo has made: every table, routine and type of the current schema that no extension owns."""
    if is_loaded():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL client_min_messages = warning")
            cursor.execute(EMPTY)


@transaction.atomic
def load(say: Callable[[str], None], *, at: datetime | None = None) -> None:
    """Make both businesses, all or nothing; the same rows on the same day, but for random codes."""
    at = at or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {MARKER} (loaded_at timestamptz NOT NULL)")
        cursor.execute(f"INSERT INTO {MARKER} VALUES (%s)", [at])  # noqa: S608  a constant
    confirm_email(user=User.objects.create_superuser(ADMIN))
    for plan in BUSINESSES:
        opened = open_business(plan, at)
        with account_scope(opened.account), acting(opened.users[Role.FRONT_DESK].pk, "command"):
            done = trade(opened, at)
            make_websites(opened, at)
            for follow_up in follow_ups:
                follow_up(opened.account, at)
        say(f"  {plan.name}: {len(opened.clients)} clients, {done.orders} orders, {done.sessions} sessions, {done.ahead} in the calendar")
