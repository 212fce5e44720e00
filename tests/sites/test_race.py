"""One primary site per owner while twenty threads change things at once: and the proof that the lock on the client is what holds."""

import random
import threading
import time
from collections import Counter

import pytest
from django.db import connections, transaction
from django.db.models import QuerySet

from apps.core.doctor import invariants
from apps.core.errors import DomainError
from apps.core.tenancy import account_scope, platform_scope
from apps.sites.models import Site
from apps.sites.services import (
    add_site_to_customer,
    archive_site,
    owners,
    remove_site_from_customer,
    restore_site,
    set_primary_site,
)
from factories.accounts import AccountFactory
from tests.sites.life import Agency

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, TURNS = 20, 4


def scramble(seed: int) -> Counter[str]:
    """Twenty threads add, remove, archive, bring back and choose sites of one customer; how the calls ended."""
    agency = Agency(AccountFactory())
    for slug in "abc":
        agency.give(slug)
    ends: Counter[str] = Counter()
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> None:
        dice = random.Random(seed * 1000 + number)
        try:
            barrier.wait(60)
            for _ in range(TURNS):
                site = agency.sites[dice.choice("abc")]
                service, about = dice.choice(
                    [
                        (add_site_to_customer, {"customer": agency.joe.customer, "is_primary": dice.random() < 0.5}),
                        (remove_site_from_customer, {"customer": agency.joe.customer}),
                        (set_primary_site, {"customer": agency.joe.customer}),
                        (set_primary_site, {"customer": agency.joe.customer}),
                        (archive_site, {}),
                        (restore_site, {}),
                    ]
                )
                try:
                    with account_scope(agency.account), transaction.atomic():
                        service(Site.objects.get(pk=site.pk), **about)
                    ends["ok"] += 1
                except DomainError as refusal:
                    ends[refusal.code] += 1
                except Exception as error:
                    ends[type(error).__name__] += 1
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def broken() -> dict[str, list[int]]:
    """The invariants of owners that do not hold."""
    with platform_scope("doctor"):
        found = {one.code: [pk for pk, *_ in one.find()] for one in invariants() if one.code in ("I22", "I23", "I23.clients")}
    return {code: ids for code, ids in found.items() if ids}


@pytest.mark.parametrize("seed", [1, 2])
def test_exactly_one_primary_is_left_whatever_happens_at_once(seed):
    ends = scramble(seed)

    assert broken() == {}
    assert ends["ok"] > 10
    assert set(ends) <= {"ok", "site_not_owned", "duplicate_ownership", "validation_error", "busy"}, ends


def test_without_the_lock_on_the_client_it_breaks(monkeypatch):
    """The negative control: the same threads, when nobody waits for a row."""
    settle = owners.settle_primary

    def slowly(client, **options):
        time.sleep(0.02)
        settle(client, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    monkeypatch.setattr(owners, "settle_primary", slowly)
    monkeypatch.setattr("apps.sites.services.sites.settle_primary", slowly)

    ends = scramble(3)

    assert broken() or set(ends) & {"IntegrityError", "OperationalError"}, ends
