"""Reading the log over HTTP while other tests have transactions open."""

import time
from typing import Any

from tests.conftest import ApiClient


def settled(reader: ApiClient, path: str = "/api/events/", count: int = 1) -> dict[str, Any]:
    """The page once it has so many events: open transactions of other tests in this cluster hold the log back meanwhile."""
    deadline = time.monotonic() + 120
    while len((page := reader.get(path).json())["results"]) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return page
