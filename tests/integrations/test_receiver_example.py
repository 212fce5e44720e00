"""examples/webhook_receiver.py understands what we send, by its own few lines of the standard, and believes nothing else."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core import jobs
from apps.core.tenancy import account_scope
from apps.integrations.services.deliveries import replay_delivery
from apps.integrations.services.endpoints import change_endpoint, rotate_secret

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "webhook_receiver.py"


@pytest.fixture
def example(integration) -> Iterator[subprocess.Popen[str]]:
    """The example as a process, and the endpoint's address is its."""
    environment = {**os.environ, "WEBHOOK_SECRET": integration.secret}
    command = [sys.executable, str(EXAMPLE), "--no-registration", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            url = re.search(r"http://\S+/webhooks", process.stdout.readline()).group()
            with account_scope(integration.account):
                change_endpoint(integration.endpoint, url=url)
            process.url = url
            yield process
        finally:
            process.terminate()


def test_the_example_takes_what_is_ours_once_and_nothing_else(integration, example):
    event = integration.happens(changes={"name": ["ä", "ö"]})
    jobs.run_pending()
    assert example.stdout.readline() == (
        f'  ✓ evt_{event.pk}  test.happened  accounts.account {integration.account.pk}  {{"name": ["ä", "ö"]}}\n'
    )

    with account_scope(integration.account):
        replay_delivery(integration.deliveries()[0])
    jobs.run_pending()
    assert example.stdout.readline() == f"  = evt_{event.pk} again: dropped\n"
    assert integration.deliveries("state", "last_status") == [("succeeded", 204), ("succeeded", 204)]

    with account_scope(integration.account):
        rotate_secret(integration.endpoint, overlap_hours=24)
    later = integration.happens()
    jobs.run_pending()
    assert example.stdout.readline().startswith(f"  ✓ evt_{later.pk} ")  # the old secret still fits

    with account_scope(integration.account):
        rotate_secret(integration.endpoint, overlap_hours=0)
    integration.happens()
    jobs.run_pending()
    assert example.stdout.readline() == "  ✗ refused: no signature fits\n"
    assert integration.deliveries("state", "last_status")[-1] == ("pending", 400)


@pytest.mark.parametrize("timestamp", ["", "1", "9999999999", "now"])
def test_the_example_refuses_old_and_malformed_ones(example, timestamp):
    headers = {"webhook-id": "evt_1", "webhook-timestamp": timestamp, "webhook-signature": "v1,x"}
    request = urllib.request.Request(example.url, b"{}", headers, method="POST")  # noqa: S310  the example of this test

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)

    assert refused.value.code == 400
    assert example.stdout.readline().startswith("  ✗ refused: it is old, or from the future")
