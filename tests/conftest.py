"""Fixtures of the whole suite: two accounts, HTTP clients that speak for a role, and a count of real statements."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.db.models.signals import post_migrate, post_save
from django.test import Client, TransactionTestCase
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Account, Role
from apps.core.events import ANY, event_type
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.location.loading import load_countries
from apps.location.models import Country
from factories.accounts import AccountFactory, MembershipFactory, token_for
from tests.emptying import empty

TransactionTestCase._fixture_teardown = empty  # type: ignore[attr-defined]
pytest_plugins = ["tests.studio", "tests.fakes.fixtures"]

# Not the request's own work: the transaction's frame, and putting the scope back, which only a test's outer transaction needs.
FRAME = ("BEGIN", "COMMIT", "ROLLBACK")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs curl is left out where there is none. Every database test may use both aliases; ``autocommit`` is a second connection to the same database."""
    if not shutil.which("curl"):
        without = [item for item in items if item.get_closest_marker("curl")]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker or "db" in getattr(item, "fixturenames", ()):
            options = {**(marker.kwargs if marker else {}), "databases": ["default", "autocommit"]}
            item.add_marker(pytest.mark.django_db(**options), append=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The second connection would keep the test database from being dropped."""
    if nextitem is None and "autocommit" in connections:
        connections["autocommit"].close()


def _reload_countries(sender: Any, **kwargs: Any) -> None:
    load_countries(Country)


@pytest.fixture(scope="session", autouse=True)
def _countries_survive_truncation() -> None:
    """Tests with real transactions truncate every table at their end; reference data comes back with post_migrate."""
    post_migrate.connect(_reload_countries, sender=None, dispatch_uid="tests.countries")


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True, scope="session")
def _events_carry_what_is_declared() -> None:
    """docs/events.md is made of the declarations: a key that none of them names fails the test that makes it."""

    def check(instance: Event, **kwargs: Any) -> None:
        declared = event_type(instance.type).changes
        undeclared = set() if ANY in declared else set(instance.changes) - set(declared)
        assert not undeclared, f"{instance.type} carries {sorted(undeclared)}, which its declaration does not name"
        subject = event_type(instance.type).subject
        assert subject in (ANY, instance.subject_type), f"{instance.type} is about {instance.subject_type}, declared for {subject}"

    post_save.connect(check, sender=Event, weak=False, dispatch_uid="tests.declared")


class ApiClient(Client):
    """Django's client that sends JSON and a token, and lets the server answer its own errors."""

    def __init__(self, token: str | None = None, **headers: str) -> None:
        if token:
            headers["Authorization"] = f"Token {token}"
        super().__init__(headers=headers, raise_request_exception=False)

    def post(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:
        return super().post(path, {} if data is None else data, content_type, **extra)

    def patch(self, path: str, data: Any = "", content_type: str = "application/json", **extra: Any) -> Any:
        return super().patch(path, data, content_type, **extra)


@pytest.fixture
def account(db: None) -> Account:
    return AccountFactory(name="Berlin Studio", slug="berlin")


@pytest.fixture
def other_account(db: None) -> Account:
    return AccountFactory(name="New York Studio", slug="new-york", timezone="America/New_York", currency="USD", country_id="US")


@pytest.fixture
def in_account(account: Account) -> Iterator[Account]:
    """The test runs inside the account's scope."""
    with account_scope(account):
        yield account


@pytest.fixture
def client_as(account: Account) -> Callable[..., ApiClient]:
    """``client_as("manager")``: a client of a new member with that role; ``client_as("owner", other_account)`` elsewhere."""

    def make(role: str | None, of: Account | None = None) -> ApiClient:
        if role is None:
            return ApiClient()
        member = MembershipFactory(account=of or account, role=role)
        return ApiClient(token_for(member.user))

    return make


@pytest.fixture
def owner(client_as: Callable[..., ApiClient]) -> ApiClient:
    return client_as(Role.OWNER)


@pytest.fixture
def other_owner(client_as: Callable[..., ApiClient], other_account: Account) -> ApiClient:
    return client_as(Role.OWNER, other_account)


@pytest.fixture
def statements() -> Callable[[], Any]:
    """``with statements() as made: …`` then ``made()`` is the list of SQL statements without the transaction's frame.

    Savepoints and scopes of the request count; what only the test's surrounding transaction causes does not.
    """

    @contextmanager
    def capture() -> Iterator[Callable[[], list[str]]]:
        with CaptureQueriesContext(connection) as captured:
            yield lambda: without_frame([query["sql"] for query in captured.captured_queries])

    return capture


def without_frame(sqls: list[str]) -> list[str]:
    """Drop BEGIN/COMMIT and what stands for them in a test's transaction: outermost savepoints, and scopes put back."""
    kept, frame = [], ""
    for sql in sqls:
        if sql.startswith(FRAME) and not sql.startswith("ROLLBACK TO"):
            continue
        if sql.startswith("SAVEPOINT") and not frame:
            frame = sql.split()[1]
        elif frame and sql.endswith(frame):
            frame = "" if sql.startswith("RELEASE") else frame
        elif not SCOPE_PUT_BACK.fullmatch(sql):
            kept.append(sql)
    return kept


SCOPE_PUT_BACK = re.compile(r"SELECT (set_config\('app\.\w+', '', true\)(, )?)+")
