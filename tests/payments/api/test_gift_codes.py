"""Gift codes at the staff door."""

import pytest

from apps.accounts.models import Role
from apps.core.models import IdempotencyKey
from apps.core.tenancy import account_scope
from apps.payments.models import GiftCode
from apps.payments.services.gifts import new_code, plain
from tests.payments.credit import books, held, spend
from tests.payments.test_gifts import issue
from tests.portal import become
from tests.studio import NOW

URL = "/api/gift-codes/"


@pytest.fixture(autouse=True)
def _now(time_machine) -> None:
    time_machine.move_to(NOW)


def test_a_code_is_shown_once(owner, account):
    made = owner.post(URL, {"amount_cents": 5000, "reason": "A competition"})

    assert made.status_code == 201, made.content
    body = made.json()
    code = body.pop("code")
    assert len(plain(code)) == 28
    assert body == owner.get(f"{URL}{body['id']}/").json()
    assert body.pop("id")
    assert body.pop("created_at")
    assert body.pop("updated_at")
    assert body == {
        "last4": code[-4:],
        "amount_cents": 5000,
        "currency": "EUR",
        "status": "active",
        "taxed_at_sale": False,
        "order": None,
        "order_number": None,
        "client": None,
        "client_name": None,
        "expires_at": "2029-11-21T23:00:00Z",
        "redeemed_at": None,
        "reason": "A competition",
        "allowed_actions": ["void"],
    }
    assert code not in owner.get(URL).content.decode()


def test_a_repeated_request_makes_one_code_and_keeps_no_plain_text(owner, account):
    body, headers = {"amount_cents": 5000, "reason": "x"}, {"Idempotency-Key": "one"}

    first, second = (owner.post(URL, body, headers=headers) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert (bool(first.json()["code"]), second.json()["code"]) == (True, "")
    assert {**first.json(), "code": ""} == second.json()
    with account_scope(account):
        assert GiftCode.objects.count() == 1
        assert first.json()["code"] not in IdempotencyKey.objects.get().response


def test_a_code_becomes_credit_of_a_client_once(owner, studio):
    become(studio)
    code = owner.post(URL, {"amount_cents": 5000, "reason": "x"}).json()["code"]

    redeemed = owner.post(f"{URL}redeem/", {"client": studio.client.pk, "code": code.lower()})
    again = owner.post(f"{URL}redeem/", {"client": studio.client.pk, "code": code})

    assert (redeemed.status_code, redeemed.json()["balances"]) == (200, [{"currency": "EUR", "balance_cents": 5000}])
    assert (again.status_code, again.json()["error"]) == (409, "gift_code_refused")
    shown = owner.get(URL).json()["results"][0]
    assert (shown["status"], shown["client"], shown["client_name"]) == ("redeemed", studio.client.pk, studio.client.full_name)
    assert books(studio) == {"goodwill": 5000, "wallet": -5000}


def test_every_refusal_looks_the_same(owner, other_owner, studio, other_account):
    become(studio)
    foreign = other_owner.post(URL, {"amount_cents": 5000, "reason": "x"}).json()["code"]
    void = owner.post(URL, {"amount_cents": 5000, "reason": "x"}).json()
    assert owner.post(f"{URL}{void['id']}/void/", {"reason": "lost"}).status_code == 200

    answers = []
    for code in (new_code(), foreign, void["code"], "x"):
        response = owner.post(f"{URL}redeem/", {"client": studio.client.pk, "code": code})
        body = response.json()
        body.pop("request_id")
        answers.append((response.status_code, body))

    assert answers == [(409, {"error": "gift_code_refused", "message": "This gift code cannot be redeemed."})] * 4


def test_the_eleventh_wrong_code_is_not_looked_up(owner, studio):
    become(studio)
    code = owner.post(URL, {"amount_cents": 5000, "reason": "x"}).json()["code"]
    for _ in range(10):
        assert owner.post(f"{URL}redeem/", {"client": studio.client.pk, "code": new_code()}).status_code == 409

    refused = owner.post(f"{URL}redeem/", {"client": studio.client.pk, "code": code})

    assert (refused.status_code, refused.json()["error"], refused.headers["Retry-After"]) == (429, "rate_limited", "3600")
    assert held(studio) == 0


def test_a_client_without_a_login_is_told_so(owner, studio):
    code = owner.post(URL, {"amount_cents": 5000, "reason": "x"}).json()["code"]

    refused = owner.post(f"{URL}redeem/", {"client": studio.client.pk, "code": code})

    assert (refused.status_code, refused.json()["error"]) == (409, "no_wallet")


def test_void_takes_untouched_credit_back_and_no_other(owner, studio):
    become(studio)
    ids = []
    for _ in range(2):
        made = owner.post(URL, {"amount_cents": 500, "reason": "x"}).json()
        owner.post(f"{URL}redeem/", {"client": studio.client.pk, "code": made["code"]})
        ids.append(made["id"])
    spend(studio, 1)

    answers = [owner.post(f"{URL}{pk}/void/", {"reason": "stolen"}) for pk in ids]

    assert [answer.status_code for answer in answers] == [409, 200]
    assert answers[0].json()["error"] == "invalid_transition"
    assert (answers[1].json()["status"], answers[1].json()["reason"], answers[1].json()["allowed_actions"]) == ("void", "stolen", [])
    assert held(studio) == 499


def test_codes_are_found_by_state_and_by_what_is_printed(owner, studio):
    codes = [issue(studio, 100)[0] for _ in range(3)]
    owner.post(f"{URL}{codes[0].pk}/void/", {"reason": "lost"})

    def ids(**query):
        return {row["id"] for row in owner.get(URL, query).json()["results"]}

    assert ids(status="void") == {codes[0].pk}
    assert codes[1].pk in ids(last4=codes[1].last4)
    assert owner.get(URL, {"status": "gone"}).status_code == 400


@pytest.mark.parametrize("body", [{}, {"amount_cents": 0, "reason": "x"}, {"amount_cents": 5, "reason": "x", "expires_on": "2026-11-20"}])
def test_bad_input_makes_no_code(owner, account, body):
    assert owner.post(URL, body).status_code == 400
    assert owner.get(URL).json()["results"] == []


def test_who_may(client_as, studio):
    become(studio)
    desk, books_ = client_as(Role.FRONT_DESK), client_as(Role.BOOKKEEPER)

    assert [desk.get(URL).status_code, books_.get(URL).status_code, client_as(Role.PRACTITIONER).get(URL).status_code] == [200, 200, 403]
    assert desk.post(URL, {"amount_cents": 5, "reason": "x"}).status_code == 403
    assert desk.post(f"{URL}redeem/", {"client": studio.client.pk, "code": "x"}).status_code == 409
    assert books_.post(f"{URL}redeem/", {"client": studio.client.pk, "code": "x"}).status_code == 403


def test_listing_takes_a_fixed_number_of_statements(owner, studio, statements):
    counts = []
    for number in (1, 3):
        for _ in range(number):
            issue(studio, 100)
        owner.get(URL)  # compiled
        with statements() as made:
            assert owner.get(URL).status_code == 200
        counts.append(len(made()))
    assert counts == [3, 3], made()
