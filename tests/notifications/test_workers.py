"""Real workers, several of them, on one queue."""

import email
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from apps.core import jobs
from apps.core.tenancy import account_scope
from apps.notifications.models import Delivery
from apps.notifications.services.sending import send_delivery
from config import postgres
from factories.accounts import AccountFactory
from factories.notifications import DeliveryFactory

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PROJECT = Path(postgres.__file__).resolve().parents[1]
MAILS = 60


def address() -> str:
    """The test's own database, as DATABASE_URL says it."""
    told = connection.settings_dict
    return f"postgresql://{told['USER']}:{quote(told['PASSWORD'] or '')}@/{told['NAME']}?host={quote(told['HOST'], safe='')}&port={told['PORT'] or 5432}"


def start(folder: Path) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "DATABASE_URL": address(), "DATA_DIR": str(folder)}
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "manage.py", "worker", "--queues", "mail"], cwd=PROJECT, env={**kept, **settings}, stdout=log, stderr=log
        )


def test_several_workers_share_the_queue_and_stop_when_they_are_told(tmp_path):
    account = AccountFactory()
    workers = [start(tmp_path) for _ in range(2)]
    try:
        with account_scope(account):
            made = [DeliveryFactory(account=account) for _ in range(MAILS)]
            # Each is queued twice, as by a handler and by the sweep.
            jobs.defer_many(send_delivery, [{"account_id": account.pk, "delivery_id": one.pk} for one in made for _ in range(2)])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with account_scope(account):
                sent = Delivery.objects.filter(state=Delivery.State.SENT).count()
            if sent == MAILS:
                break
            time.sleep(0.2)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait(60) for worker in workers]

    assert codes == [0, 0], (tmp_path / "worker.log").read_text()
    addressed = Counter(str(email.message_from_bytes(path.read_bytes())["To"]) for path in (tmp_path / "mail").glob("*.eml"))
    assert addressed == dict.fromkeys((one.address for one in made), 1)
    with account_scope(account):
        assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}
