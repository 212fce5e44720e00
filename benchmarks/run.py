"""``make bench``: the application beside the thin server of ``benchmarks/limit``, over the same rows, in alternating rounds.

Everything is a ratio inside one run, because machines are shared and noisy; the steadiest figure is the application's own CPU
per request. The database is an embedded one in ``.data/bench`` and kept between runs; what a run writes is taken away again.

    make bench ARGS="--rounds 5 --write"          make bench ARGS="--only bookings,slots --bookings 1000000"
"""

import argparse
import http.client
import importlib.metadata
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

from apps.core.management.commands.serve import BACKPRESSURE, BLOCKING_THREADS  # noqa: E402
from benchmarks import client, load  # noqa: E402
from benchmarks.limit.thin import next_link  # noqa: E402
from config import postgres  # noqa: E402

DATA_DIR = ROOT / ".data" / "bench"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured by make bench -->", "<!-- end -->"
WORKERS = 2
CONNECTIONS = 8
BIG = 1
"""The number of the account with 10 % of the bookings."""
CALLERS = 24
"""How many accounts ask for lists. A token's use is stamped once a minute, so with many tokens a short run measures the stamps."""
FIRST, LAST = load.FIRST_DAY.isoformat(), (load.FIRST_DAY + timedelta(days=31)).isoformat()
DRAFTS = 2_000_000_000
"""Ids of the draft bookings that a run schedules."""

Requests = Callable[[int], Iterator[bytes]]


@dataclass
class Work:
    """Something to measure: how requests are made for a port, and whether the thin server can do it."""

    name: str
    requests: Requests
    has_limit: bool = True
    connections: int = CONNECTIONS
    compare: bool = True


@dataclass
class Figures:
    """What all rounds saw of one work on one server."""

    per_second: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    alone: list[client.Result] = field(default_factory=list)
    kilobytes: float = 0.0

    def latency(self, percent: float) -> float:
        return statistics.median(result.percentile(percent) for result in self.alone)


# -- the database


def connect() -> psycopg.Connection[Any]:
    at = postgres.ensure_running(DATA_DIR)
    return psycopg.connect(host=at["HOST"], port=at["PORT"], user=at["USER"], dbname=at["NAME"], autocommit=True, options="-c timezone=UTC")


def prepare(size: load.Size) -> None:
    """Migrate and load, unless an earlier run has left the same size."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment(), check=True)
    with connect() as connection:
        with connection.transaction():
            found = load.loaded_size(connection)
        if found is None:
            print(f"loading {size.bookings} bookings of {size.accounts} accounts …", flush=True)
            with connection.transaction():
                load.load(connection, size)
            connection.execute("VACUUM ANALYZE")
        elif found != size:
            raise SystemExit(f"{DATA_DIR} holds {found}: remove the directory, or ask for that size.")


def clean() -> None:
    """Take away what runs have written, so that the next one finds the same rows."""
    with connect() as connection, connection.transaction():
        connection.execute("SELECT set_config('app.platform', 'on', true)")
        # Append-only tables cannot be emptied row by row, not even by us; what is loaded has none of these.
        connection.execute("TRUNCATE payments_ledgerentry, payments_ledgertransaction, payments_invoiceline, payments_invoice")
        written = "SELECT id FROM orders_order WHERE source <> %(source)s"
        for statement in (
            f"DELETE FROM payments_payment WHERE order_id IN ({written})",
            f"DELETE FROM bookings_booking WHERE order_id IN ({written}) OR id > %(drafts)s",
            f"DELETE FROM orders_orderline WHERE order_id IN ({written})",
            "DELETE FROM orders_order WHERE source <> %(source)s",
            "DELETE FROM core_event",
            "DELETE FROM core_counter",
            "DELETE FROM bookings_historicalbooking",
            "DELETE FROM orders_historicalorder",
            "DELETE FROM payments_historicalpayment",
        ):
            connection.execute(statement, {"source": load.SOURCE, "drafts": DRAFTS})
    with connect() as connection:
        connection.execute("VACUUM ANALYZE bookings_booking, orders_order")


DRAFT = """
    INSERT INTO bookings_booking
        (id, account_id, order_id, client_id, service_id, position, status, payment_status, timezone, local_start,
         buffer_before_minutes, buffer_after_minutes, capacity, overlap_allowed, override_reason, price_cents, tax_cents, currency,
         policy, cancel_reason, cancelled_late, version, created_at, updated_at)
    SELECT %(drafts)s + row_number() OVER () + %(from)s, account_id, order_id, client_id, service_id, 10 + %(batch)s, 'draft', 'unpaid',
        '', '', 0, 0, 1, false, '', 4500, 0, 'EUR', '{}', '', false, 1, now(), now()
    FROM (SELECT * FROM bookings_booking WHERE position = 1 AND id <= %(drafts)s AND account_id <> %(big)s ORDER BY id LIMIT %(count)s) b
    RETURNING id, account_id
"""


class Drafts:
    """Draft sessions to be scheduled; every one is used once and gets a start of its own."""

    def __init__(self) -> None:
        self.made = self.batch = 0
        self.days: dict[int, int] = {}

    def more(self, count: int) -> list[tuple[int, int, int, str]]:
        """(booking, account number, practitioner, start) of ``count`` new drafts."""
        self.batch += 1
        values = {"drafts": DRAFTS, "from": self.made, "batch": self.batch, "count": count, "big": load.account_id(BIG)}
        with connect() as connection, connection.transaction():
            connection.execute("SELECT set_config('app.platform', 'on', true)")
            rows = connection.execute(DRAFT, values).fetchall()
        self.made += count
        return [self._placed(booking, account - load.BASE) for booking, account in rows]

    def _placed(self, booking: int, account: int) -> tuple[int, int, int, str]:
        nth = self.days[account] = self.days.get(account, -1) + 1
        practitioner = load.practitioner_id(account, nth % load.PRACTITIONERS + 1)
        half_hour = nth // load.PRACTITIONERS
        start = datetime(2031, 1, 6, 8, tzinfo=UTC) + timedelta(days=half_hour // 20, minutes=30 * (half_hour % 20))
        return booking, account, practitioner, start.isoformat()


# -- the servers


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "DATA_DIR": str(DATA_DIR), "DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "WARNING", **more}


@dataclass
class Server:
    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """CPU time of the process group so far; zero where there is no /proc."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # gone since the listing
            if int(fields[2]) == self.process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(name: str, port: int, command: list[str], env: dict[str, str]) -> Iterator[Server]:
    """A server in a process group of its own, stopped at the end whatever happens."""
    process = subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)
    try:
        wait_for(port, process)
        yield Server(name, port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def ask(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    """One answer, for waiting and comparing."""
    connection = http.client.HTTPConnection(client.LOOPBACK, port, timeout=30)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            ask(port, "/healthz").read()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"The server on port {port} did not start.")


def both(stack: ExitStack, port: int) -> tuple[Server, Server]:
    """(ours, thin) with the same settings of granian."""
    ours = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(WORKERS), "--quiet"]
    thin = [str(Path(sys.executable).parent / "granian"), "--interface", "wsgi", "--workers", str(WORKERS), "--port", str(port + 1)]
    thin += ["--blocking-threads", str(BLOCKING_THREADS), "--backpressure", str(BACKPRESSURE), "--no-ws", "--log-level", "warning"]
    with connect() as connection:
        dsn = f"{connection.info.dsn} options='-c timezone=UTC'"
    return (
        stack.enter_context(served("ours", port, ours, environment())),
        stack.enter_context(served("thin", port + 1, [*thin, "benchmarks.limit.thin:application"], environment(DSN=dsn))),
    )


# -- the work


def works(accounts: int, drafts: Drafts) -> list[Work]:
    """Everything that is measured. Lists ask for another account each time; slots and deep pages for the big one."""

    def others(path: str) -> Requests:
        def requests(port: int) -> Iterator[bytes]:
            made = [client.request("GET", path, load.token(number), port) for number in range(2, accounts + 1, max(1, accounts // CALLERS))]
            while True:
                yield random.choice(made)

        return requests

    def big(paths: Callable[[], list[str]]) -> Requests:
        def requests(port: int) -> Iterator[bytes]:
            made = [client.request("GET", path, load.token(BIG), port) for path in paths()]
            while True:
                yield random.choice(made)

        return requests

    def slots(practitioner: Any) -> str:
        return f"/api/slots/?service={load.service_id(BIG, 1)}&practitioner={practitioner}&from={FIRST}&to={LAST}"

    def deep() -> list[str]:
        row = "SELECT created_at, id FROM bookings_booking WHERE account_id = %s ORDER BY created_at DESC, id DESC OFFSET %s LIMIT 1"
        with connect() as connection, connection.transaction():
            connection.execute("SELECT set_config('app.platform', 'on', true)")
            (total,) = connection.execute("SELECT count(*) FROM bookings_booking WHERE account_id = %s", [load.account_id(BIG)]).fetchone()
            found = connection.execute(row, [load.account_id(BIG), total * 9 // 10]).fetchone()
        return ["/" + next_link("", "/api/bookings/", "", *found).decode().strip('"').split("/", 3)[3]]

    def schedule(port: int) -> Iterator[bytes]:
        for booking, account, practitioner, start in drafts.more(400):
            body = json.dumps({"practitioner": practitioner, "start_time": start}).encode()
            yield client.request("POST", f"/api/bookings/{booking}/schedule/", load.token(account), port, body)

    def checkout(port: int) -> Iterator[bytes]:
        with connect() as connection, connection.transaction():
            connection.execute("SELECT set_config('app.platform', 'on', true)")
            clients = connection.execute(
                "SELECT account_id, min(id) FROM clients_client WHERE id > %s GROUP BY 1 ORDER BY 1", [load.BASE]
            ).fetchall()
        while True:
            account, person = random.choice(clients[:CALLERS])
            number = account - load.BASE
            package = load.package_id(number, random.randint(1, load.PACKAGES))
            body = json.dumps({"client": person, "package": package, "method": "cash"}).encode()
            yield client.request("POST", "/api/checkout/", load.token(number), port, body)

    names = [load.practitioner_id(BIG, index) for index in range(1, load.PRACTITIONERS + 1)]
    return [
        *(Work(name, others(f"/api/{name}/")) for name in ("bookings", "orders", "clients", "packages")),
        Work("bookings, big account, page one", big(lambda: ["/api/bookings/"])),
        Work("bookings, big account, deep page", big(deep), has_limit=False),
        Work("slots, 1 practitioner, 31 days", big(lambda: [slots(name) for name in names])),
        Work("slots, 20 practitioners, 31 days", big(lambda: [slots("any")])),
        Work("schedule one booking", schedule, compare=False),
        Work("checkout of 10 sessions", checkout, has_limit=False),
    ]


def compare(work: Work, ours: Server, thin: Server) -> None:
    """Refuse to measure two servers that do not say the same."""
    answers = []
    for server in (ours, thin):
        random.seed(1)
        first, *lines = next(work.requests(server.port)).decode().strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        answers.append(comparable(json.loads(ask(server.port, first.split()[1], **headers).read())))
    if answers[0] != answers[1]:
        raise SystemExit(f"The thin server gives another answer for {work.name}: keep benchmarks/limit/thin.py up with the application.")


def comparable(value: Any) -> Any:
    """JSON with instants as instants, and links without host and port."""
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    if isinstance(value, str):
        if value.startswith("http://"):
            return value.split("/", 3)[3]
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value


def measure(work: Work, server: Server, figures: Figures, seconds: float) -> None:
    """One round: req/s and CPU with several connections, then latency with one."""
    before = server.cpu_seconds()
    result = client.run(server.port, work.requests(server.port), seconds=seconds, connections=work.connections)
    used = server.cpu_seconds() - before
    alone = client.run(server.port, work.requests(server.port), seconds=seconds / 2, connections=1)
    if refused := [*result.refused, *alone.refused]:
        raise SystemExit(f"{server.name} refused {len(refused)} of “{work.name}”:\n{refused[0].decode(errors='replace')}")
    figures.per_second.append(result.per_second)
    figures.cpu.append(used * 1000 / result.count)
    figures.alone.append(alone)
    figures.kilobytes = result.size / result.count / 1000


# -- the table


def table(measured: dict[str, dict[str, Figures]]) -> list[str]:
    lines = [
        "| work | req/s | thin req/s | ratio (min–max) | p50 ms | p95 ms | p99 ms | app CPU ms | thin CPU ms | kB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, servers in measured.items():
        ours, thin = servers["ours"], servers.get("thin")
        cells = [name, f"{statistics.median(ours.per_second):.0f}"]
        if thin is None:
            cells += ["–", "–"]
        else:
            ratios = [a / b for a, b in zip(ours.per_second, thin.per_second, strict=True)]
            cells += [f"{statistics.median(thin.per_second):.0f}", f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"]
        cells += [f"{ours.latency(percent):.1f}" for percent in (50, 95, 99)]
        cells += [
            f"{statistics.median(ours.cpu):.2f}",
            "–" if thin is None else f"{statistics.median(thin.cpu):.2f}",
            f"{ours.kilobytes:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def heading(size: load.Size, rounds: int, seconds: float) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("Django", "djangorestframework", "psycopg", "granian"))
    with connect() as connection:
        server = connection.info.parameter_status("server_version")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores ({platform.machine()}) shared by servers, database and load client; "
        f"Python {platform.python_version()}, PostgreSQL {server}, {versions}; {size.bookings:,} bookings in {size.accounts} accounts; "
        f"{WORKERS} processes, {rounds} rounds of {seconds:g} s, {CONNECTIONS} connections for req/s and CPU, 1 for latency; "
        f"load average at the end {os.getloadavg()[0]:.1f}."
    )


def write(lines: list[str]) -> None:
    """Replace the measured section of docs/performance.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *lines, "", END]) + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bookings", type=int, default=100_000, help="Rows to load when the database is new (at most 1,000,000).")
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="Length of one measurement.")
    parser.add_argument("--only", default="", help="Parts of names of works, with commas between them.")
    parser.add_argument("--port", type=int, default=8390)
    parser.add_argument("--write", action="store_true", help="Put the table into docs/performance.md.")
    chosen = parser.parse_args()
    size = load.Size(min(chosen.bookings, 1_000_000), chosen.accounts)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    prepare(size)
    clean()
    wanted = [part for part in chosen.only.split(",") if part]
    measured: dict[str, dict[str, Figures]] = {}
    try:
        with ExitStack() as stack:
            ours, thin = both(stack, chosen.port)
            for work in works(size.accounts, Drafts()):
                if wanted and not any(part in work.name for part in wanted):
                    continue
                servers = [thin, ours] if work.has_limit else [ours]
                if work.has_limit and work.compare:
                    compare(work, ours, thin)
                for server in servers:  # plans, caches, connections
                    client.run(server.port, work.requests(server.port), seconds=chosen.seconds / 2, connections=work.connections)
                figures = measured[work.name] = {server.name: Figures() for server in servers}
                for _ in range(chosen.rounds):
                    for server in servers:
                        measure(work, server, figures[server.name], chosen.seconds)
                print(table({work.name: figures})[-1], flush=True)
    finally:
        clean()
    lines = [heading(size, chosen.rounds, chosen.seconds), "", *table(measured)]
    print("\n" + "\n".join(lines))
    if chosen.write:
        write(lines)


if __name__ == "__main__":
    main()
