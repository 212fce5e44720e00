"""manage.py import_clients"""

import io

import pytest
from django.core.management import CommandError, call_command

from apps.clients.models import Client, ClientImport
from apps.core.tenancy import account_scope

pytestmark = pytest.mark.django_db
FILE = "Name,Mail\nAda,ada@example.test\nBob,nobody\n"


def run(path, *args):
    """(what it printed, its error)"""
    out = io.StringIO()
    try:
        call_command("import_clients", str(path), *args, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), None


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(FILE)
    return path


def test_without_commit_nothing_changes(account, path):
    said = run(path, "--account", account.slug)

    assert said == (
        "3\temail: Enter a valid email address.\nNothing was changed. Of the first 2 rows: 1 new, 0 duplicate, 1 bad.\n",
        "1 rows are bad.",
    )
    with account_scope(account):
        assert (Client.objects.count(), ClientImport.objects.count()) == (0, 0)


def test_commit_imports(account, path):
    out, error = run(path, "--account", account.slug, "--commit")

    assert error == "1 rows are bad."
    assert out.endswith("is done: 1 created, 0 updated, 0 skipped, 1 bad.\n")
    with account_scope(account):
        assert list(Client.objects.values_list("full_name", "email")) == [("Ada", "ada@example.test")]


def test_columns_can_be_named(account, path):
    out, error = run(path, "--account", account.slug, "--commit", "--map", "Mail=full_name")

    assert (error, out.split(":")[1]) == (None, " 2 created, 0 updated, 0 skipped, 0 bad.\n")


@pytest.mark.parametrize("args", [("--account", "nowhere"), ("--account", "berlin", "--map", "Foo=email")])
def test_mistakes_are_said(account, path, args):
    out, error = run(path, *args)

    assert (out, error is not None) == ("", True)
