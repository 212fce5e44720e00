"""Records that several people merge at the same moment, into each other and in circles: and the proof that the lock is what holds."""

import time
from collections import Counter
from itertools import permutations

import pytest
from django.db import transaction
from django.db.models import QuerySet

from apps.clients.models import Client
from apps.clients.services import merging
from apps.clients.services.merging import merge_clients
from apps.core.tenancy import account_scope
from factories.accounts import AccountFactory
from factories.clients import ClientFactory
from tests.payments.test_wallet_race import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def in_circles() -> tuple[Counter[str], list[int | None]]:
    """Six people merge three records, each in another way; (how that ended, whom each record leads to)."""
    account = AccountFactory()
    three = ClientFactory.create_batch(3, account=account)

    def merging_of(winner, loser):
        def call():
            with account_scope(account), transaction.atomic():
                merge_clients(Client.objects.get(pk=winner.pk), other=Client.objects.get(pk=loser.pk))

        return call

    ends = at_once([merging_of(*two) for two in permutations(three, 2)])
    with account_scope(account):
        return ends, list(Client.objects.order_by("pk").values_list("merged_into", flat=True))


def test_three_records_become_one_and_no_circle():
    ends, leads_to = in_circles()

    assert ends == {"ok": 2, "validation_error": 4}
    assert leads_to.count(None) == 1
    assert len(set(leads_to) - {None}) == 1  # both lead straight to the one that is left


def test_negative_control_without_the_lock_they_lead_in_circles_or_on_and_on(monkeypatch):
    decided = merging._decided

    def slowly(*arguments):
        time.sleep(0.05)
        return decided(*arguments)

    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    monkeypatch.setattr(merging, "_decided", slowly)

    ends, leads_to = in_circles()

    assert ends != {"ok": 2, "validation_error": 4}
    assert leads_to.count(None) != 1 or len(set(leads_to) - {None}) != 1 or ends.keys() & {"IntegrityError", "OperationalError"}
