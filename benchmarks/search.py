"""``make bench-search``: finding a client among 1,000,000 of 200 accounts, with one slip of the fingers; the largest account has 20,000.

Names are real ones of three languages. Each search takes somebody of the largest account and asks for their name, e-mail address, phone
number or surname, as it is or with one letter replaced, put in, left out or swapped. Measured are the whole request (in this process, on
a warm cache, one after the other), what its statements take, the mean CPU time of both (which other work on the machine does not change;
that of the database where it runs here), and at which place the one who was meant stands. Somebody whose name ten
others have, too, cannot be told from them: such searches are counted apart.

    make bench-search ARGS="--rows 1000000 --times 200"
"""

import argparse
import os
import random
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
ACCOUNTS, LARGEST, BATCH = 200, 20_000, 20_000
DOMAINS = ["gmail.com", "web.de", "gmx.de", "outlook.com", "yahoo.com", "icloud.com", "t-online.de"]
FILL = """
    INSERT INTO clients_client (account_id, full_name, email, phone_number, stage, source, tags, custom_fields, consents, created_at, updated_at)
    SELECT account_id, first || ' ' || last,
           lower(regexp_replace(normalize(first || '.' || last, NFKD), '[^A-Za-z.]', '', 'g')) || g %% 997 || '@'
             || (%(domains)s::text[])[1 + g %% 7],
           '+49' || 1000000000 + hashint8(g)::bigint + 2147483648, 'active', '', '{}', '{}', '{}',
           now() - g * interval '1 min', now() - g * interval '1 min'
    FROM (
      SELECT g, (%(accounts)s::bigint[])[CASE WHEN g %% %(share)s = 0 AND g / %(share)s < %(largest)s THEN 1 ELSE 2 + g %% %(others)s END] AS account_id,
             (%(firsts)s::text[])[1 + floor(random() ^ 1.5 * %(n_firsts)s)::int] AS first,
             (%(lasts)s::text[])[1 + floor(random() ^ 1.5 * %(n_lasts)s)::int] AS last
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) g
    ) people
    ON CONFLICT DO NOTHING
"""


def main() -> None:
    """Load what is missing, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--data", type=Path, default=ROOT / ".data" / "bench-search")
    options = parser.parse_args()
    os.environ.update(DATA_DIR=str(options.data), DJANGO_SETTINGS_MODULE="config.settings.local", LOG_LEVEL="WARNING")
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    people, token, count = load(options.rows)
    print(f"\n{count:,} clients of {ACCOUNTS} accounts, {len(people):,} in the one that is searched; {options.times} searches each\n")
    print(
        "| search | request p50 ms | p95 ms | statements p50 ms | p95 ms | CPU app ms | CPU database ms | among the first 10 | first | namesakes |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for what in ("name", "surname", "email", "phone"):
        for slips in (0, 1):
            print(
                f"| {what}, {'one slip' if slips else 'as it is'} | "
                + " | ".join(measure(what, slips, people, token, options.times))
                + " |"
            )
            sys.stdout.flush()


def load(wanted: int) -> tuple[list[tuple[int, str, str, str]], str, int]:
    """The people of the largest account, a token of its owner, and how many clients there are."""
    from django.db import connection
    from django.db.models import TextField
    from django.db.models.functions import Cast
    from faker.providers.person.de_DE import Provider as German
    from faker.providers.person.en_US import Provider as English
    from faker.providers.person.es_ES import Provider as Spanish

    from apps.accounts.models import Account, ApiToken, Membership
    from apps.clients.models import Client
    from apps.core.tenancy import account_scope, platform_scope
    from factories.accounts import AccountFactory, MembershipFactory

    with platform_scope("benchmark"):
        accounts = list(Account.objects.order_by("pk").values_list("pk", flat=True)[:ACCOUNTS])
        while len(accounts) < ACCOUNTS:
            account = AccountFactory(slug=f"bench-{len(accounts)}")
            with account_scope(account):
                MembershipFactory(account=account)
            accounts.append(account.pk)
        there = Client.objects.count()
    if not there:
        print(f"loading {wanted:,} clients …", flush=True)
        firsts, lasts = (
            [name for provider in (German, English, Spanish) for name in getattr(provider, kind)] for kind in ("first_names", "last_names")
        )
        random.Random(1).shuffle(firsts)
        random.Random(2).shuffle(lasts)
        share = max(wanted // LARGEST, 1)
        with connection.cursor() as cursor:
            for first in range(0, wanted, BATCH):
                values = {"accounts": accounts, "share": share, "largest": LARGEST, "others": ACCOUNTS - 1, "domains": DOMAINS}
                names = {"firsts": firsts, "lasts": lasts, "n_firsts": len(firsts), "n_lasts": len(lasts)}
                with platform_scope("benchmark"):
                    cursor.execute("SELECT setseed(%s)", [first / wanted])
                    cursor.execute("SET LOCAL statement_timeout = 0")
                    cursor.execute(FILL, {**values, **names, "first": first, "last": min(first + BATCH, wanted) - 1})
                print(f"\r  {min(first + BATCH, wanted):,}", end="", flush=True)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM ANALYZE clients_client")
        cursor.execute("RESET statement_timeout")
    with platform_scope("benchmark"):
        mine = Client.objects.filter(account_id=accounts[0]).order_by("pk")
        people = list(mine.values_list("pk", "full_name", "email", Cast("phone_number", TextField())))
        owner = Membership.objects.filter(account_id=accounts[0]).order_by("pk")[0]
        count = Client.objects.count()
    return people, ApiToken.objects.create(user=owner.user, expiry=timedelta(days=1))[1], count


def slip(text: str, chance: random.Random) -> str:
    """One letter (or digit) replaced, put in, left out, or swapped with the next."""
    at, kind = chance.randrange(len(text)), chance.choice(("replace", "insert", "omit", "swap"))
    letter = chance.choice("0123456789" if text[-1].isdigit() else "abcdefghijklmnopqrstuvwxyz")
    if kind == "replace":
        return text[:at] + letter + text[at + 1 :]
    if kind == "insert":
        return text[:at] + letter + text[at:]
    if kind == "omit":
        return text[:at] + text[at + 1 :]
    at = chance.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def measure(what: str, slips: int, people: list[tuple[int, str, str, str]], token: str, times: int) -> list[str]:
    """The columns of one row of the table."""
    from django.test import Client

    chance = random.Random(f"{what}{slips}")
    client = Client(headers={"Authorization": f"Token {token}"}, SERVER_NAME="127.0.0.1")
    of = {
        "name": lambda p: p[1],
        "surname": lambda p: p[1].split()[-1],
        "email": lambda p: p[2],
        "phone": lambda p: p[3].removeprefix("+49"),
    }
    called: dict[str, int] = {}
    for person in people:
        called[of[what](person)] = called.get(of[what](person), 0) + 1
    requests, statements, places, namesakes = [], [], [], 0
    client.get("/api/clients/", {"search": "warm"})
    app, database = time.process_time(), cpu_of_database()
    for _ in range(times):
        person = chance.choice(people)
        asked = of[what](person)
        typed = slip(asked, chance) if slips else asked
        with counted() as seen:
            began = time.perf_counter()
            answer = client.get("/api/clients/", {"search": typed, "page_size": 100})
            requests.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.content
        statements.append(sum(seen) * 1000)
        found = [row["id"] for row in answer.json()["results"]]
        if called[asked] > 10:
            namesakes += 1
        else:
            places.append(found.index(person[0]) + 1 if person[0] in found else 0)
            if slips and not 1 <= places[-1] <= 10:
                print(f"  {asked!r} as {typed!r}: place {places[-1]}", file=sys.stderr)
    app_ms, database_ms = ((now - before) * 1000 / times for now, before in ((time.process_time(), app), (cpu_of_database(), database)))
    told_apart = len(places) or 1
    return [
        f"{statistics.median(requests):.1f}",
        f"{statistics.quantiles(requests, n=20)[-1]:.1f}",
        f"{statistics.median(statements):.1f}",
        f"{statistics.quantiles(statements, n=20)[-1]:.1f}",
        f"{app_ms:.1f}",
        f"{database_ms:.1f}",
        f"{100 * sum(1 <= place <= 10 for place in places) / told_apart:.1f} %",
        f"{100 * sum(place == 1 for place in places) / told_apart:.1f} %",
        str(namesakes),
    ]


def cpu_of_database() -> float:
    """Seconds of CPU that our connection's server process has used; 0 when it does not run on this machine."""
    from django.db import connection

    process = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
    if not process.exists():
        return 0.0
    fields = process.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def counted() -> Iterator[list[float]]:
    """The seconds that each statement took inside."""
    from django.db import connection

    seen: list[float] = []

    def time_it(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            seen.append(time.perf_counter() - began)

    with connection.execute_wrapper(time_it):
        yield seen


if __name__ == "__main__":
    main()
