import os
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.legacy.old_project import SCHEMA, OldProject


@pytest.fixture(scope="session")
def _old_database(django_db_setup: None) -> Iterator[str]:
    """A second database in the same cluster; yields its DSN."""
    at = settings.DATABASES["default"]
    server = {"host": at["HOST"], "port": at["PORT"] or None, "user": at["USER"], "password": at["PASSWORD"] or None}
    name = f"legacy_old_{os.environ.get('PYTEST_XDIST_WORKER', 'only')}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(dbname="postgres", autocommit=True, **server) as connection:
        connection.execute(drop)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield make_conninfo(dbname=name, **server)
    with psycopg.connect(dbname="postgres", autocommit=True, **server) as connection:
        connection.execute(drop)


@pytest.fixture
def old(_old_database: str) -> OldProject:
    """The old project's database with its three dozen people."""
    project = OldProject(_old_database)
    project.run(SCHEMA)
    project.populate()
    return project


@pytest.fixture
def run() -> Callable[..., tuple[int, str]]:
    """``run("command", …)``: the exit code and everything that was said."""

    def call(*arguments: Any) -> tuple[int, str]:
        out = StringIO()
        try:
            call_command(*(str(one) for one in arguments), stdout=out, no_color=True)
        except CommandError as error:
            return error.returncode, out.getvalue() + str(error)
        return 0, out.getvalue()

    return call


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"
