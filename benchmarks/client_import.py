"""``make bench-import``: 50,000 people from one file, read in by a worker: how long, in how much memory, and after a kill.

The worker is the real one, with all queues; its memory is what the kernel says was the most. 1 % of the rows are bad, 1 % are duplicates.
With ``--kill`` a second file is read by a worker that is killed in the middle (SIGKILL), and by another one after it.

    make bench-import ARGS="--rows 50000 --format csv --kill"
"""

import argparse
import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA_DIR = ROOT / ".data" / "bench-import"
LIMIT_SECONDS, LIMIT_MB = 120, 300
GIVE_UP_SECONDS = 900
FIRST = (
    "Ada",
    "Ben",
    "Clara",
    "David",
    "Élodie",
    "Fatma",
    "Günther",
    "Hugo",
    "Inés",
    "Jürgen",
    "Karin",
    "Łukasz",
    "María",
    "Nils",
    "Özlem",
)
LAST = ("Adler", "Becker", "Costa", "Díaz", "Engel", "Fischer", "García", "Hoffmann", "Ivanov", "Jansen", "Köhler", "López", "Müller")


def main() -> None:
    """Import, measure, print a table. Exit code 1 when a limit is missed or a row is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--format", choices=["csv", "xlsx"], default="csv")
    parser.add_argument("--kill", action="store_true", help="Also kill a worker in the middle of a second import.")
    options = parser.parse_args()
    os.environ.update(DATA_DIR=str(DATA_DIR), DJANGO_SETTINGS_MODULE="config.settings.local", LOG_LEVEL="WARNING")
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    forget_jobs()
    content = people(options.rows, options.format)
    print(f"{options.rows:,} rows, {len(content) / 1e6:.1f} MB of {options.format}", flush=True)
    expected = (options.rows - options.rows // 100 * 2, options.rows // 100, options.rows // 100)
    source = begin(content, options.format)
    seconds, busy, megabytes = watch(source)
    look(source)
    found = (source.created, source.skipped, source.bad)
    print("\n| import | seconds | worker's CPU seconds | rows/s | most memory MB | created, skipped, bad |\n|---|---:|---:|---:|---:|---|")
    print(f"| {options.format} | {seconds:.1f} | {busy:.1f} | {options.rows / seconds:.0f} | {megabytes:.0f} | {found} |", flush=True)
    sound = found == expected and seconds <= LIMIT_SECONDS and megabytes <= LIMIT_MB
    if options.kill:
        source = begin(content, options.format)
        watch(source, kill_at=options.rows // 3)
        look(source)
        done = source.done
        run_again(source)
        look(source)
        found = (source.created, source.skipped, source.bad)
        print(f"| killed at {done:,}, then on | | | | | {found} |")
        sound = sound and found == expected and 0 < done < options.rows
    sys.exit(0 if sound else 1)


def forget_jobs() -> None:
    """What an earlier run has left in the queue of this database, which is the benchmark's own, and imports that would be resumed."""
    from django.db import connection

    from apps.clients.models import ClientImport
    from apps.core.tenancy import platform_scope

    with platform_scope("benchmark"):
        ClientImport._base_manager.filter(state="running").update(state="cancelled")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def people(rows: int, format: str) -> bytes:
    """The file: every hundredth row is bad, and every hundredth is somebody who was in it before."""
    header = ("First name", "Last name", "E-mail", "Phone", "Tags", "Source", "Shoe size")
    found = []
    for n in range(rows):
        first, last = FIRST[n % len(FIRST)], LAST[n // len(FIRST) % len(LAST)]
        email = f"{n}.{last}@example.test".encode("ascii", "ignore").decode()
        if n % 100 == 98:
            email = "no address"
        elif n % 100 == 99:
            email = found[n - 9][2]
        found.append((first, f"{last} {n}", email, f"+49 30 {1_000_000 + n}", "imported, spring", "old system", str(35 + n % 12)))
    if format == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([header, *found])
        return text.getvalue().encode()
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (header, *found):
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def begin(content: bytes, format: str) -> Any:
    """A new account with a committed import."""
    from apps.clients.services.imports import commit_import, upload_import
    from apps.core.tenancy import account_scope
    from factories.accounts import AccountFactory

    account = AccountFactory(slug=f"bench-{time.time_ns()}", country_id="DE")
    with account_scope(account):
        began = time.perf_counter()
        source = upload_import(account=account, name=f"people.{format}", content=content)
        print(f"uploaded and looked at in {time.perf_counter() - began:.1f} s", flush=True)
        mapping = {**source.mapping, "Shoe size": "custom_fields.shoe_size"}
        return commit_import(source, mapping=mapping, on_duplicate="skip")


def watch(source: Any, *, kill_at: int | None = None) -> tuple[float, float, float]:
    """A worker until the import has ended, or (with ``kill_at``) until so many rows are done; (seconds, of its CPU, its most memory in MB)."""
    worker = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=ROOT)
    began = started = time.perf_counter()
    try:
        while time.perf_counter() - began < GIVE_UP_SECONDS:
            time.sleep(0.2)
            look(source)
            if source.done == 0:
                started = time.perf_counter()
            if kill_at is not None and source.done >= kill_at:
                worker.send_signal(signal.SIGKILL)
                break
            if source.state not in ("running",):
                break
            if sys.stdout.isatty():
                print(f"\r  {source.done:,}", end="", flush=True)
        seconds, busy, megabytes = time.perf_counter() - started, cpu_seconds(worker.pid), most_memory(worker.pid)
    finally:
        worker.terminate()
        worker.wait()
    return seconds, busy, megabytes


def look(source: Any) -> None:
    """Read again how far it is."""
    from apps.core.tenancy import account_scope

    with account_scope(source.account_id):
        source.refresh_from_db()


def cpu_seconds(pid: int) -> float:
    """User and system time; 0 for a process that was killed."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> float:
    """The peak resident set in MB (VmHWM); 0 for a process that was killed."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def run_again(source: Any) -> None:
    """What the queue does a minute after a worker has died, without the minute."""
    from apps.clients.services.imports import run_import

    run_import(source.account_id, source.pk)


if __name__ == "__main__":
    main()
