from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from apps.core import events
from apps.core.events import ANY, declare
from tests.integrations.receiver import Integration, Receiver


@pytest.fixture
def happenings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types of events that are declared for one test."""
    monkeypatch.setattr(events, "_types", dict(events._types))
    declare("accounts.account", dict.fromkeys(("test.happened", "test.sold"), ("Something happened.", (ANY,))))
    declare("accounts.account", {"test.private": ("Nobody else's business.", (ANY,))}, public=False)


@pytest.fixture
def queue(transactional_db: None) -> Iterator[None]:
    """The queue is empty before and after (its tables are not Django's)."""
    _empty()
    yield
    _empty()


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_events CASCADE")


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """Somebody else's server on this machine, which this installation may call."""
    with Receiver() as server:
        settings.OUTBOUND_ALLOWED_HOSTS = ["127.0.0.1:*"]
        yield server


@pytest.fixture
def integration(queue: None, happenings: None, account: Any, receiver: Receiver) -> Integration:
    """The account with one endpoint that takes everything; transactions are real."""
    return Integration(account, receiver)
