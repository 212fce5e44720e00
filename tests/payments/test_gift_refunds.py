"""A gift code and the money it was sold for: one of them can be used, never both (rules.md §6: reversible only while unspent)."""

import pytest

from apps.core.errors import Invalid
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.adapters.base import DisputeAnswer, DisputeState, RefundAnswer, RefundState
from apps.payments.errors import GiftCodeRedeemed, GiftCodeRefused
from apps.payments.models import GiftCode, Payment
from apps.payments.services import create_payment, mark_received, record_paid
from apps.payments.services.disputes import settle_dispute
from apps.payments.services.gifts import void_gift_code
from apps.payments.services.ledger import post_payment
from apps.payments.services.refunds import (
    approve_refund,
    cancel_refund,
    mark_sent,
    quote_refund,
    refund_order_money,
    request_refund,
    settle_refund,
)
from factories.accounts import MembershipFactory
from factories.payments import PaymentFactory
from tests.payments.credit import call, held, spend
from tests.payments.refunding import do, refunds, sums, unsound
from tests.payments.test_gifts import redeem, work
from tests.portal import become
from tests.studio import NOW, Studio


@pytest.fixture
def portal(studio) -> Studio:
    """A studio whose client has a login."""
    become(studio)
    return studio


def gift_for(studio: Studio, method: str, cents: int = 5000) -> tuple[Payment, str]:
    """(payment, code) of a gift code that was sold and paid this way; the handlers have run."""
    sale = studio.sell(package=None, gift_cents=cents, method=method)
    with account_scope(studio.account):
        payment = mark_received(sale.payment, at=NOW)
        payment.order = sale.order
    work(studio, "order.paid")
    return payment, sale.gift_code


def gift_by_card(studio: Studio) -> tuple[Payment, str]:
    sale = studio.sell(package=None, gift_cents=5000, method="cash", collect=False)
    with account_scope(studio.account):
        payment = PaymentFactory(
            account=studio.account,
            order=sale.order,
            method="stripe",
            status="succeeded",
            amount_cents=5000,
            captured_cents=5000,
            received_at=NOW,
            provider_ref="pi_1",
            capture_ref="ch_1",
        )
        post_payment(payment)
        record_paid(Order.objects.select_related("account").get(pk=sale.order.pk), 5000)
    work(studio, "order.paid")
    return payment, sale.gift_code


def state(studio: Studio) -> str:
    with account_scope(studio.account):
        return GiftCode.objects.get().status


def stays_shut(studio: Studio, code: str) -> None:
    with pytest.raises(GiftCodeRefused):
        redeem(studio, code)
    assert held(studio) == 0


# -- redeemed first


@pytest.mark.parametrize("spent", [0, 10])
def test_a_redeemed_code_is_not_refunded(portal, spent):
    payment, code = gift_for(portal, "cash")
    redeem(portal, code)
    if spent:
        spend(portal, spent)

    for service in (quote_refund, request_refund):
        with pytest.raises(GiftCodeRedeemed):
            do(portal, service, payment)
    with pytest.raises(GiftCodeRedeemed):
        do(portal, refund_order_money, payment.order, amount_cents=5000)

    assert (refunds(portal), sums(portal, payment), held(portal)) == ([], (5000, 0, 0, 0), 5000 - spent)


def test_the_door_says_why(portal, owner, time_machine):
    time_machine.move_to(NOW)
    payment, code = gift_for(portal, "cash")
    redeem(portal, code)

    answer = owner.post(f"/api/payments/{payment.pk}/refund/", {})

    assert (answer.status_code, answer.json()["error"]) == (409, "gift_code_redeemed")


def test_a_code_that_was_taken_back_can_be_refunded(portal):
    payment, code = gift_for(portal, "cash")
    redeem(portal, code)
    with account_scope(portal.account):
        gift = GiftCode.objects.get()
    call(portal, void_gift_code, gift, reason="Changed their mind", at=NOW)

    do(portal, request_refund, payment)

    assert (refunds(portal), held(portal)) == ([("cash", 5000, "succeeded")], 0)
    assert unsound() == []


# -- refunded first


@pytest.mark.parametrize("reduces_price", [False, True])
def test_a_code_waits_while_its_money_is_on_its_way_back(portal, reduces_price):
    payment, code = gift_for(portal, "bank_transfer")

    refund = do(portal, request_refund, payment, reduces_price=reduces_price)
    stays_shut(portal, code)
    do(portal, cancel_refund, refund)

    assert redeem(portal, code).amount_cents == 5000
    with pytest.raises(GiftCodeRedeemed):
        do(portal, request_refund, payment)


def test_a_code_is_void_once_its_money_is_back(portal):
    payment, code = gift_for(portal, "bank_transfer")

    do(portal, mark_sent, do(portal, request_refund, payment))
    stays_shut(portal, code)  # also before the handler has run
    work(portal, "order.refunded")

    assert state(portal) == "void"
    stays_shut(portal, code)
    assert unsound() == []


def test_a_code_waits_for_the_second_person_too(portal):
    portal.account.settings = {**portal.account.settings, "refund_approval_above_cents": 1}
    portal.account.save()
    payment, code = gift_for(portal, "cash")
    second = MembershipFactory(account=portal.account, role="manager").user

    refund = do(portal, request_refund, payment)
    assert refund.status == "requested"
    stays_shut(portal, code)

    do(portal, approve_refund, refund, approved_by=second)
    work(portal, "order.refunded")
    assert state(portal) == "void"


def test_a_refund_that_comes_back_makes_the_code_valid_again(portal):
    payment, code = gift_by_card(portal)
    refund = do(portal, request_refund, payment)
    answer = {
        "reference": "re_1", "failure": "", "amount_cents": 5000, "currency": "EUR", "charge_reference": "pi_1",
        "metadata": {"refund": str(refund.pk)},
    }  # fmt: skip
    do(portal, settle_refund, refund, answer=RefundAnswer(**answer, state=RefundState.SUCCEEDED))
    work(portal, "order.refunded")
    assert state(portal) == "void"

    do(portal, settle_refund, refund, answer=RefundAnswer(**answer, state=RefundState.FAILED))
    work(portal, "order.paid")

    assert redeem(portal, code).amount_cents == 5000
    assert unsound() == []


# -- a part of it


def test_a_part_of_a_code_is_not_refunded_but_what_is_too_much_is(portal):
    payment, code = gift_for(portal, "cash")
    for reduces_price in (False, True):
        with pytest.raises(Invalid) as refused:
            do(portal, request_refund, payment, amount_cents=2000, reduces_price=reduces_price)
    assert refused.value.fields == {"amount_cents": ["A gift code is refunded as a whole: 5000 cents."]}

    with account_scope(portal.account):
        more = mark_received(create_payment(order=payment.order, method="cash", amount_cents=700), at=NOW)
    do(portal, request_refund, more, amount_cents=300)
    assert redeem(portal, code).amount_cents == 5000
    do(portal, request_refund, more)

    assert refunds(portal) == [("cash", 300, "succeeded"), ("cash", 400, "succeeded")]
    assert (held(portal), unsound()) == (5000, [])


# -- a dispute


def dispute(studio: Studio, word: str) -> None:
    answer = DisputeAnswer(
        reference="dp_1", amount_cents=5000, currency="EUR", charge_reference="pi_1", reason="fraudulent", state=DisputeState(word)
    )
    do(studio, settle_dispute, provider="stripe", answer=answer)


@pytest.mark.parametrize(("end", "status"), [("won", "active"), ("lost", "void")])
def test_a_disputed_code_waits_for_the_decision(portal, end, status):
    _, code = gift_by_card(portal)

    dispute(portal, "open")
    stays_shut(portal, code)
    dispute(portal, end)
    if end == "lost":
        stays_shut(portal, code)
        work(portal, "order.refunded")

    assert state(portal) == status
    if end == "won":
        assert redeem(portal, code).amount_cents == 5000
    assert unsound() == []
