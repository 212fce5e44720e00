"""Two people who name each other at the same moment."""

from collections import Counter

import pytest
from django.db import transaction

from apps.core.tenancy import customer_scope
from apps.payments.services import referrals
from apps.payments.services.referrals import enter_code
from factories.users import CustomerFactory
from tests.payments.test_wallet_race import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def each_names_the_other() -> Counter[str]:
    one, other = (CustomerFactory(create_wallet=False) for _ in range(2))

    def enter(customer, inviter):
        with customer_scope(customer.user_id, [], []), transaction.atomic():
            enter_code(customer=customer, inviter=inviter)

    return at_once([lambda: enter(one, other), lambda: enter(other, one)])


def test_of_two_who_name_each_other_at_once_one_was_brought():
    for _ in range(5):
        assert each_names_the_other() == {"ok": 1, "referral_refused": 1}


def test_negative_control_without_the_queue_both_would_be(monkeypatch):
    monkeypatch.setattr(referrals, "_queue_up", lambda one, other: None)

    assert any(each_names_the_other() == {"ok": 2} for _ in range(20))  # a race has to be lost once
