"""Migrations are complete and go back: in a scratch database, so that no other test sees it."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = """
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
      (SELECT array_agg(k.conname || ' ' || pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid),
      (SELECT array_agg(p.polname || ' ' || coalesce(pg_get_expr(p.polqual, c.oid), '') ORDER BY p.polname)
       FROM pg_policy p WHERE p.polrelid = c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1
"""


# manage.py migrate on the database named first; "zero" takes back every app named behind it.
PROGRAM = """
import sys, django
django.setup()
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
database, *arguments = sys.argv[1:]
for one in connections.all():
    one.settings_dict["NAME"] = database
if arguments[:1] == ["zero"]:
    for app in arguments[1:]:
        if any(label == app for label, _ in MigrationRecorder(connection).applied_migrations()):
            call_command("migrate", app, "zero", verbosity=0)
else:
    call_command("migrate", *arguments, verbosity=0)
"""


@pytest.mark.django_db
def test_no_model_change_lacks_its_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.fixture
def scratch(django_db_setup):
    """A fresh database beside the suite's own; yields a function that runs manage.py migrate on it, and its DSN."""
    base = settings.DATABASES["default"]
    name = "kernel_scratch"
    dsn = {"host": base["HOST"], "port": base["PORT"] or None, "user": base["USER"], "password": base["PASSWORD"] or None}
    with psycopg.connect(dbname="postgres", autocommit=True, **dsn) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}

    def migrate(*arguments: str) -> None:
        command = [sys.executable, "-c", PROGRAM, name, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    yield migrate, {"dbname": name, **dsn}
    with psycopg.connect(dbname="postgres", autocommit=True, **dsn) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.slow
def test_every_app_goes_back_to_nothing_and_forward_again(scratch):
    migrate, dsn = scratch

    def schema() -> list[tuple]:
        with psycopg.connect(**dsn) as connection:
            return connection.execute(SCHEMA).fetchall()

    migrate()
    before = schema()
    own = [
        app.rpartition(".")[2]
        for app in settings.INSTALLED_APPS
        if app.startswith("apps.") and (ROOT / app.replace(".", "/") / "migrations").exists()
    ]
    migrate("core", "0001")  # policies off, keys of core still there
    without = {row[0]: row for row in schema()}
    assert without["core_event"][1:3] == (False, False)
    migrate("zero", *own)
    assert [row[0] for row in schema() if row[0].partition("_")[0] in own] == []
    migrate()

    assert schema() == before
    assert [row[0] for row in before if row[0] == "packages_package" and row[1] and row[2]] == ["packages_package"]
