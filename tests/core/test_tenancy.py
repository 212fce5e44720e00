"""Scopes: what they open, how they end, and that nothing of them outlives its transaction."""

from contextlib import ExitStack, suppress

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_scopes.exceptions import ScopeError

from apps.accounts.models import Membership
from apps.core.db import rows
from apps.core.models import Counter
from apps.core.tenancy import (
    ACCOUNT,
    CLIENTS,
    KEYS,
    PLATFORM,
    USER,
    account_scope,
    current_account_id,
    current_settings,
    customer_scope,
    member_scope,
    platform_scope,
    user_scope,
)
from apps.packages.models import Package
from factories.accounts import AccountFactory, MembershipFactory
from factories.packages import PackageFactory

NOTHING = dict.fromkeys(KEYS, "")


def in_database() -> dict[str, str]:
    """The settings as PostgreSQL has them; never set and set back look the same."""
    shown = ", ".join(f"coalesce(current_setting('{key}', true), '')" for key in KEYS)
    return dict(zip(KEYS, rows(f"SELECT {shown}")[0], strict=True))


@pytest.fixture
def packages(db):
    """One package in each of two accounts."""
    return PackageFactory(package_name="A"), PackageFactory(package_name="B")


# -- one scope


def test_an_account_scope_takes_an_account_or_its_id_and_nothing_else(account):
    for given in (account, account.pk):
        with account_scope(given):
            assert current_account_id() == account.pk
    for wrong in (None, str(account.pk), account.slug, object()):
        with pytest.raises(TypeError, match="needs an Account"), account_scope(wrong):
            pytest.fail("entered")
    assert in_database() == NOTHING


def test_an_account_scope_sets_the_account_and_puts_it_back(account):
    with account_scope(account):
        assert in_database() == current_settings() == {**NOTHING, ACCOUNT: str(account.pk)}

    assert in_database() == current_settings() == NOTHING
    assert current_account_id() is None


def test_nested_scopes_restore_the_one_outside(packages):
    ours, theirs = packages
    with account_scope(ours.account_id):
        with account_scope(theirs.account_id):
            assert [p.package_name for p in Package.objects.all()] == ["B"]
        assert [p.package_name for p in Package.objects.all()] == ["A"]
        assert in_database()[ACCOUNT] == str(ours.account_id)
        with platform_scope("both"):
            assert Package._base_manager.count() == 2
            with account_scope(theirs.account_id):
                assert in_database() == {**NOTHING, ACCOUNT: str(theirs.account_id)}
                assert [p.package_name for p in Package._base_manager.all()] == ["B"]
            assert Package._base_manager.count() == 2
        assert [p.package_name for p in Package._base_manager.all()] == ["A"]
        assert in_database() == {**NOTHING, ACCOUNT: str(ours.account_id)}


def test_an_error_inside_a_scope_closes_it(packages):
    ours, theirs = packages
    with account_scope(ours.account_id):
        with pytest.raises(ZeroDivisionError), account_scope(theirs.account_id):
            raise ZeroDivisionError
        assert in_database() == current_settings() == {**NOTHING, ACCOUNT: str(ours.account_id)}
        with pytest.raises(ZeroDivisionError), platform_scope("error"):
            raise ZeroDivisionError
        assert [p.package_name for p in Package.objects.all()] == ["A"]

    assert in_database() == NOTHING


def _duplicate(package, scope_outside: bool) -> None:
    """Break the unique name inside a scope and a savepoint, one in the other."""
    blocks = [account_scope(package.account_id), transaction.atomic()]
    with ExitStack() as stack:
        for block in blocks if scope_outside else reversed(blocks):
            stack.enter_context(block)
        Package.objects.create(account_id=package.account_id, package_name=package.package_name)


@pytest.mark.parametrize("scope_outside", [True, False])
def test_the_scope_is_right_after_an_integrity_error_in_a_savepoint(packages, scope_outside):
    ours, theirs = packages
    with account_scope(ours.account_id):
        with pytest.raises(IntegrityError):
            _duplicate(theirs, scope_outside)

        assert in_database() == current_settings() == {**NOTHING, ACCOUNT: str(ours.account_id)}
        assert [p.package_name for p in Package.objects.all()] == ["A"]


def test_a_scope_entered_in_a_savepoint_that_is_rolled_back_leaves_the_outer_one(packages):
    ours, theirs = packages
    with account_scope(ours.account_id):
        with transaction.atomic():
            with account_scope(theirs.account_id):
                Package.objects.create(account_id=theirs.account_id, package_name="gone")
            transaction.set_rollback(True)

        assert in_database()[ACCOUNT] == str(ours.account_id)
    with account_scope(theirs.account_id):
        assert [p.package_name for p in Package.objects.all()] == ["B"]


def test_the_platform_scope_sees_every_account_and_says_why(packages, caplog):
    with caplog.at_level("INFO", logger="apps.core.tenancy"), platform_scope("counting packages"):
        assert Package.objects.count() == 2
        assert in_database()[PLATFORM] == "on"

    assert caplog.messages == ["platform scope: counting packages"]
    assert in_database() == NOTHING
    with pytest.raises(ScopeError):
        Package.objects.count()


def test_a_user_scope_opens_the_users_own_memberships_to_reads_only(db):
    member = MembershipFactory()
    MembershipFactory(account=member.account)
    with user_scope(member.user_id):
        assert [m.pk for m in Membership._base_manager.all()] == [member.pk]
        assert Membership._base_manager.filter(pk=member.pk).update(role="manager") == 0
        assert Membership._base_manager.filter(pk=member.pk)._raw_delete("default") == 0
        with pytest.raises(ScopeError):
            Membership.objects.count()
    assert Membership._base_manager.count() == 0


def test_a_member_scope_is_the_user_and_the_account(db):
    member = MembershipFactory()
    with member_scope(member.user_id, member.account_id):
        assert in_database() == current_settings() == {**NOTHING, USER: str(member.user_id), ACCOUNT: str(member.account_id)}
    assert in_database() == NOTHING


def test_a_customer_scope_reads_the_accounts_given_and_writes_nowhere(packages):
    ours, theirs = packages
    third = PackageFactory(package_name="C")
    with customer_scope(1, [], [ours.account_id, theirs.account_id]):
        assert sorted(p.package_name for p in Package.objects.all()) == ["A", "B"]
        assert sorted(p.package_name for p in Package._base_manager.all()) == ["A", "B"]
        assert Package.objects.update(package_name="changed") == 0
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Package._base_manager.create(account_id=ours.account_id, package_name="new")
        with account_scope(third.account_id):  # a write enters one account; reads of the others stay open to the database only
            assert [p.package_name for p in Package.objects.all()] == ["C"]
        assert sorted(p.package_name for p in Package.objects.all()) == ["A", "B"]
    with customer_scope(1, [], []):
        assert in_database()[CLIENTS] == "{}"
        assert list(Package.objects.all()) == []
    assert in_database() == NOTHING


# -- transactions of their own


def raw_settings() -> dict[str, str]:
    """Asked over the same connection, in a transaction of its own."""
    assert not connection.in_atomic_block
    return in_database()


@pytest.mark.django_db(transaction=True)
def test_a_scope_opens_a_transaction_and_leaves_nothing_on_the_connection():
    account = AccountFactory()
    backend = rows("SELECT pg_backend_pid()")

    with account_scope(account):
        assert connection.in_atomic_block
        assert in_database()[ACCOUNT] == str(account.pk)
        Counter.objects.create(account=account, name="kept")

    assert not connection.in_atomic_block
    assert rows("SELECT pg_backend_pid()") == backend
    assert raw_settings() == current_settings() == NOTHING
    with account_scope(account):
        assert Counter.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_error_rolls_the_scopes_own_transaction_back():
    account = AccountFactory()

    with suppress(ZeroDivisionError), account_scope(account):
        Counter.objects.create(account=account, name="gone")
        raise ZeroDivisionError

    assert raw_settings() == current_settings() == NOTHING
    with account_scope(account):
        assert Counter.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_settings_are_local_to_their_transaction():
    """Two transactions on one connection: the second knows nothing of the first, not even when that one never closed its scope."""
    account = AccountFactory()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [ACCOUNT, str(account.pk)])
        assert in_database()[ACCOUNT] == str(account.pk)

    with transaction.atomic():
        assert in_database() == NOTHING
        assert rows("SELECT count(*) FROM accounts_membership") == [(0,)]


@pytest.mark.django_db(transaction=True)
def test_a_scope_that_ends_with_its_transaction_is_not_put_back_by_a_statement():
    account = AccountFactory()

    with CaptureQueriesContext(connection) as made, transaction.atomic(), account_scope(account, ends_transaction=True):
        pass
    assert [query["sql"].split("(")[0] for query in made] == ["BEGIN", "SELECT set_config", "COMMIT"]

    with CaptureQueriesContext(connection) as made, transaction.atomic(), account_scope(account):
        pass
    assert [query["sql"].split("(")[0] for query in made] == ["BEGIN", "SELECT set_config", "SELECT set_config", "COMMIT"]
    assert raw_settings() == NOTHING


@pytest.mark.django_db(transaction=True)
def test_what_runs_on_commit_has_no_scope():
    account, seen = AccountFactory(), []

    with account_scope(account):
        transaction.on_commit(lambda: seen.append((in_database(), current_account_id())))

    assert seen == [(NOTHING, None)]


@pytest.mark.django_db(transaction=True)
def test_a_request_leaves_nothing_on_the_connection(client_as, account):
    owner = client_as("owner")

    for call in (lambda: owner.get("/api/packages/"), lambda: owner.post("/api/packages/", {}), lambda: owner.get("/api/packages/1/")):
        assert call().status_code in (200, 400, 404)
        assert raw_settings() == current_settings() == NOTHING
