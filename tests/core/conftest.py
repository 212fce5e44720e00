from collections.abc import Iterator

import pytest

from apps.accounts import policy
from tests.core import probe as probe_urls
from tests.security.worlds import _worlds, two_worlds

__all__ = ["_worlds", "two_worlds"]


@pytest.fixture
def probe(settings: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The addresses of tests.core.probe are served, open to every role."""
    settings.ROOT_URLCONF = "tests.core.probe"
    monkeypatch.setitem(policy.POLICY, "probe", probe_urls.POLICY)
    monkeypatch.setitem(policy.POLICY, "fault", probe_urls.POLICY)
    yield
    probe_urls.during.clear()
