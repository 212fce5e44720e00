"""Which database a demo may empty, and what it does to the clock of what it sells."""

import pytest
from django.core.management.base import CommandError
from django.db import connection

from apps.checkout.demo import loading
from apps.checkout.demo.businesses import BUSINESSES, address_of
from apps.checkout.demo.credentials import CredentialsFile
from factories.accounts import AccountFactory


@pytest.fixture
def marked(db):
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {loading.MARKER} (loaded_at timestamptz NOT NULL)")


def test_a_database_without_the_mark_is_left_alone(db):
    tables = connection.introspection.table_names()

    loading.empty_database()

    assert connection.introspection.table_names() == tables
    assert len(tables) > 20


def test_a_database_with_the_mark_is_emptied_except_for_extensions(marked):
    loading.empty_database()

    assert [name for name in connection.introspection.table_names() if not name.startswith("pg_stat_")] == []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace"
            " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')"
        )
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT extname FROM pg_extension WHERE extname = 'btree_gist'")
        assert cursor.fetchone() == ("btree_gist",)


def test_accounts_that_no_demo_made_stop_it(db):
    AccountFactory()

    with pytest.raises(CommandError, match="accounts that are not a demo's"):
        loading.refuse_foreign_database()


def test_an_empty_database_and_a_demo_are_no_hindrance(marked):
    loading.refuse_foreign_database()
    AccountFactory()
    loading.refuse_foreign_database()


def test_credentials_are_there_only_while_the_server_listens(tmp_path):
    file = CredentialsFile(tmp_path)
    assert file.last() == {}

    file.write({"base_url": "http://127.0.0.1:1"})
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.json"]

    file.lay_aside()
    assert not file.path.exists()
    assert file.last() == {"base_url": "http://127.0.0.1:1"}

    file.forget()
    assert list(tmp_path.iterdir()) == []


def test_the_first_customer_of_each_business_is_its_own():
    first, second = (plan.customer_emails() for plan in BUSINESSES)

    assert first[0] not in second
    assert second[0] not in first
    assert first[-1] == second[-1] == "alex.morgenthau@post.example"


def test_addresses_are_made_of_names():
    assert [address_of(name) for name in ("Zoë O’Connor", "Mehmet Özkan")] == ["zoe.oconnor@post.example", "mehmet.ozkan@post.example"]
