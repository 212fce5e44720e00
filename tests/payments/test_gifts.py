"""Gift codes: bearer codes that are shown once, valid once they are paid, and redeemed once."""

import re
from datetime import date, datetime, timedelta

import pytest
from django.core.cache import cache

from apps.accounts.errors import RateLimited
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import acting, deliver
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.core.vault import code_hashes
from apps.payments.errors import GiftCodeRefused, NoWallet
from apps.payments.models import GiftCode, WalletLot
from apps.payments.services.gifts import expire_gift_code, issue_gift_code, new_code, plain, redeem_gift_code, void_gift_code
from apps.payments.services.ledger import balances, sync_order
from apps.payments.services.settling import mark_received
from apps.payments.tasks_credit import sweep_credit_of
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.payments.credit import books, call, held, lines, spend
from tests.portal import become
from tests.studio import NOW, Studio, open_studio

DAY = timedelta(days=1)
END = datetime.fromisoformat("2029-11-22T00:00:00+01:00")  # the end of the local day, 36 months after NOW


def issue(studio: Studio, amount_cents: int = 5000, **options):
    wanted = {"account": studio.account, "amount_cents": amount_cents, "reason": "sorry", "at": NOW, **options}
    return call(studio, issue_gift_code, **wanted)


def sold(studio: Studio, cents: int = 5000, *, paid: bool = True):
    """(code's row, plain code) of a gift code that was sold for cash; the handlers have run."""
    sale = studio.sell(package=None, gift_cents=cents, method="cash")
    with account_scope(studio.account):
        if paid:
            mark_received(sale.payment, at=NOW)
            work(studio, "order.paid")
        return GiftCode.objects.get(order=sale.order), sale.gift_code


def work(studio: Studio, event_type: str) -> None:
    """Deliver the last event of this type to every handler of credit, twice."""
    with account_scope(studio.account):
        event = Event.objects.filter(type=event_type).latest("pk")
    for name in ("make_gift_codes_valid", "follow_money_with_points", "promise_reward", "take_reward_back", "void_refunded_gift_codes"):
        for _ in range(2):
            deliver(account_id=studio.account.pk, event_id=event.pk, handler=f"apps.payments.handlers_credit.{name}")


def redeem(studio: Studio, code: str, client=None, at=NOW) -> WalletLot:
    return call(studio, redeem_gift_code, client=client or studio.client, code=code, at=at)


@pytest.fixture
def portal(studio) -> Studio:
    """A studio whose client has a login."""
    become(studio)
    return studio


# -- the code


def test_codes_have_140_random_bits_in_letters_that_cannot_be_mistaken():
    codes = {new_code() for _ in range(200)}

    assert len(codes) == 200
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    assert {len(plain(code)) for code in codes} == {28}


def test_a_code_is_kept_as_a_keyed_hash_and_its_last_four(portal):
    gift, code = issue(portal)

    assert gift.code_hash == code_hashes(portal.account.pk, plain(code))[0]
    assert gift.last4 == code[-4:]
    with account_scope(portal.account):
        row = str(GiftCode.objects.filter(pk=gift.pk).values().get()) + str(list(Event.objects.values_list("changes", flat=True)))
    assert plain(code) not in row
    assert code not in row


@pytest.mark.parametrize(
    "typed", [str.lower, lambda code: f"  {code} ", lambda code: code.replace("-", " "), lambda code: code.replace("0", "o")]
)
def test_a_code_is_read_however_it_is_typed(portal, typed):
    assert redeem(portal, typed(issue(portal)[1])).amount_cents == 5000


def test_a_code_that_was_hashed_with_an_older_key_still_works(portal, settings):
    code = issue(portal)[1]
    settings.FIELD_ENCRYPTION_KEYS = ["a-new-key", *settings.FIELD_ENCRYPTION_KEYS]

    assert redeem(portal, code).amount_cents == 5000


# -- given away


def test_a_code_given_away_is_goodwill_once_it_is_redeemed(portal):
    gift, code = issue(portal)
    assert (gift.status, gift.expires_at, books(portal)) == ("active", END, {})

    lot = redeem(portal, code)

    with account_scope(portal.account):
        gift.refresh_from_db()
    assert (gift.status, gift.client_id, gift.redeemed_at) == ("redeemed", portal.client.pk, NOW)
    assert (lot.source, lot.amount_cents, lot.expires_at, lot.gift_code_id, lot.is_cashable) == ("gift", 5000, END, gift.pk, False)
    assert books(portal) == {"goodwill": 5000, "wallet": -5000}
    assert held(portal) == 5000


@pytest.mark.parametrize("wrong", [{"amount_cents": 0}, {"expires_on": date(2026, 11, 20)}])
def test_a_code_that_makes_no_sense_is_refused(studio, wrong):
    with pytest.raises(Invalid):
        issue(studio, **wrong)


def test_months_and_the_last_day_decide_the_end(studio):
    assert issue(studio, expires_on=date(2026, 11, 21))[0].expires_at == datetime.fromisoformat("2026-11-22T00:00:00+01:00")
    studio.account.settings["gift_months"] = 0
    assert issue(studio)[0].expires_at is None


# -- sold


def test_a_code_is_valid_once_it_is_paid(portal):
    gift, code = sold(portal, paid=False)
    assert gift.status == "inactive"
    with pytest.raises(GiftCodeRefused):
        redeem(portal, code)

    with account_scope(portal.account):
        mark_received(gift.order.payments.get(), at=NOW)
    work(portal, "order.paid")

    assert redeem(portal, code).amount_cents == 5000
    with account_scope(portal.account):
        assert Event.objects.filter(type="gift_code.active").count() == 1


def test_what_a_code_brought_in_is_owed_until_it_is_redeemed(portal):
    _, code = sold(portal)
    assert books(portal) == {"cash": 5000, "gift": -5000}

    redeem(portal, code)
    assert books(portal) == {"cash": 5000, "wallet": -5000}


def test_a_single_purpose_code_gives_its_tax_back_when_it_is_redeemed(portal):
    gift, code = sold(portal)
    with account_scope(portal.account):  # as a sale with tax writes it
        order = gift.order
        line = order.lines.get()
        line.tax_cents = order.tax_cents = 798
        line.save()
        order.save()
        GiftCode.objects.update(taxed_at_sale=True)
        sync_order(order.pk)
    assert books(portal) == {"cash": 5000, "gift": -4202, "tax": -798}

    redeem(portal, code)

    assert books(portal) == {"cash": 5000, "wallet": -5000}


def test_a_code_sold_below_its_worth_is_goodwill_for_the_rest(portal):
    gift, code = sold(portal)
    with account_scope(portal.account):
        line = gift.order.lines.get()
        line.amount_cents = 4000
        line.save()
        sync_order(gift.order_id)

    redeem(portal, code)

    with account_scope(portal.account):
        assert {book: cents for (book, _), cents in balances().items()} == {
            "cash": 5000, "receivable": -1000, "gift": 0, "goodwill": 1000, "wallet": -5000
        }  # fmt: skip


# -- refused


def test_unknown_used_unpaid_void_expired_and_foreign_codes_are_refused_alike(portal):
    elsewhere = open_studio()
    used, void, expired = (issue(portal)[1] for _ in range(3))
    redeem(portal, used)
    with account_scope(portal.account):
        voided = GiftCode.objects.get(last4=void[-4:])
    call(portal, void_gift_code, voided, reason="lost", at=NOW)
    refusals = [
        (new_code(), NOW), ("", NOW), ("☃" * 40, NOW), (used, NOW), (void, NOW), (expired, END), (sold(portal, paid=False)[1], NOW),
        (issue(elsewhere)[1], NOW),
    ]  # fmt: skip

    said = set()
    for code, at in refusals:
        with pytest.raises(GiftCodeRefused) as refused:
            redeem(portal, code, at=at)
        said.add((refused.value.message, refused.value.code, str(refused.value.extras)))

    assert len(said) == 1
    assert redeem(portal, expired, at=END - timedelta(microseconds=1)).amount_cents == 5000


def test_every_refusal_makes_the_same_statements(portal, statements):
    used, unpaid = issue(portal)[1], sold(portal, paid=False)[1]
    redeem(portal, used)
    counts = []
    for code in (new_code(), used, unpaid):
        with statements() as made, pytest.raises(GiftCodeRefused):
            redeem(portal, code)
        counts.append([re.sub(r"\d+", "0", sql.split("code_hash")[0]) for sql in made()])
    assert counts[0] == counts[1] == counts[2]


def test_ten_wrong_codes_an_hour_are_enough_for_a_client_and_for_a_user(portal):
    code, other = issue(portal)[1], ClientFactory(account=portal.account, customer=CustomerFactory())
    with acting(7, "staff"):
        for _ in range(10):
            with pytest.raises(GiftCodeRefused):
                redeem(portal, new_code())
        for client in (portal.client, other):  # by client, and by who types
            with pytest.raises(RateLimited) as refused:
                redeem(portal, code, client)
    assert refused.value.extras == {"retry_after": 3600}
    with acting(8, "staff"):
        with pytest.raises(RateLimited):
            redeem(portal, code)
        assert redeem(portal, code, other).amount_cents == 5000

    cache.clear()  # an hour later
    assert redeem(portal, issue(portal)[1]).amount_cents == 5000


def test_right_codes_do_not_count(portal):
    with acting(7, "staff"):
        for _ in range(11):
            redeem(portal, issue(portal, 100)[1])
    assert held(portal) == 1100


def test_a_client_without_a_login_cannot_redeem_and_the_code_stays_valid(studio):
    gift, code = issue(studio)

    with pytest.raises(NoWallet):
        redeem(studio, code)

    with account_scope(studio.account):
        gift.refresh_from_db()
    assert gift.status == "active"


# -- void and over


def test_a_redeemed_code_is_void_only_while_its_credit_is_whole(portal):
    gift, code = sold(portal)
    redeem(portal, code)

    call(portal, void_gift_code, gift, reason="stolen", at=NOW)

    with account_scope(portal.account):
        gift.refresh_from_db()
    assert (gift.status, gift.reason, held(portal)) == ("void", "stolen", 0)
    assert books(portal) == {"cash": 5000, "gift": -5000}
    assert lines(portal) == [("credit", 5000, 5000), ("debit", -5000, 0)]


def test_a_code_of_which_a_cent_was_spent_stays_redeemed(portal):
    gift, code = issue(portal)
    redeem(portal, code)
    spend(portal, 1)

    with pytest.raises(InvalidTransition):
        call(portal, void_gift_code, gift, reason="stolen", at=NOW)

    assert held(portal) == 4999


def test_a_void_code_cannot_be_voided_again(studio):
    gift, _ = issue(studio)
    call(studio, void_gift_code, gift, reason="lost", at=NOW)

    with pytest.raises(InvalidTransition):
        call(studio, void_gift_code, gift, reason="lost", at=NOW)


def test_a_code_ends_once_and_its_money_is_the_businesss(portal, time_machine):
    gift, code = sold(portal)
    issue(portal)
    assert call(portal, expire_gift_code, gift, at=END - DAY) is False
    time_machine.move_to(END)

    for _ in range(2):
        sweep_credit_of(portal.account.pk)

    with account_scope(portal.account):
        assert list(GiftCode.objects.values_list("status", flat=True)) == ["expired", "expired"]
    assert books(portal) == {"cash": 5000, "forfeited": -5000}
    with pytest.raises(GiftCodeRefused):
        redeem(portal, code)


def test_a_refunded_sale_takes_its_code_back_unless_it_was_spent(portal):
    kept, code = sold(portal)
    gone, spent_code = sold(portal)
    redeem(portal, spent_code)
    spend(portal, 10)
    for gift in (kept, gone):
        with account_scope(portal.account):
            order = gift.order
            order.payment_status, order.refunded_cents = "refunded", order.paid_cents
            order.save()
            event = Event.objects.create(account=portal.account, type="order.refunded", subject_type="orders.order", subject_id=order.pk)
        deliver(account_id=portal.account.pk, event_id=event.pk, handler="apps.payments.handlers_credit.void_refunded_gift_codes")

    with account_scope(portal.account):
        assert list(GiftCode.objects.order_by("pk").values_list("status", flat=True)) == ["void", "redeemed"]
        assert list(Event.objects.filter(type="gift_code.spent").values_list("subject_id", flat=True)) == [gone.pk]
    with pytest.raises(GiftCodeRefused):
        redeem(portal, code)
