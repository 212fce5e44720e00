"""Provider accounts, provider events and payments at a provider, as staff have them."""

from collections.abc import Iterator

import pytest
import time_machine
from django.db import connection

from apps.accounts.models import Role
from apps.core import jobs
from apps.core.tenancy import account_scope, platform_scope
from apps.core.vault import take_out
from apps.payments.models import Payment, ProviderAccount
from apps.payments.services.inbox import receive_event
from apps.payments.services.online import begin_payment, recheck_payment
from factories.money import ProviderEventFactory
from tests.payments.counter import Counter, amounts, set_up
from tests.studio import NOW

pytestmark = pytest.mark.django_db(transaction=True)
ACCOUNTS, EVENTS = "/api/provider-accounts/", "/api/provider-events/"
SECRETS = {"secret_key": "sk_test_veryLongSecret1234", "webhook_secret": "whsec_veryLongSecret5678"}


@pytest.fixture(autouse=True)
def _saturday() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def counter(studio, stripe_fake):
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return Counter(studio, stripe_fake, "stripe")


def create(owner, **fields):
    credentials = {"publishable_key": "pk_test_1", **SECRETS}
    return owner.post(ACCOUNTS, {"provider": "stripe", "credentials": credentials, **fields})


def everything_written():
    """All text of all tables."""
    with platform_scope("search"), connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")
            found += [row for (row,) in cursor.fetchall()]
    return "\n".join(found)


# -- provider-accounts/


def test_secrets_go_in_and_never_come_out(owner, account):
    answer = create(owner)

    assert answer.status_code == 201
    body = answer.json()
    assert body["public"] == {"publishable_key": "pk_test_1"}
    assert body["secrets"] == [
        {"name": "secret_key", "is_set": True, "last4": "1234"},
        {"name": "webhook_secret", "is_set": True, "last4": "5678"},
        {"name": "previous_webhook_secret", "is_set": False, "last4": ""},
    ]
    assert body["webhook_path"] == "/api/webhooks/stripe/berlin/"
    pages = [owner.get(ACCOUNTS), owner.get(f"{ACCOUNTS}{body['id']}/"), answer]
    assert not [page for page in pages for secret in SECRETS.values() if secret in page.content.decode()]
    assert not [secret for secret in SECRETS.values() if secret in everything_written()]
    with account_scope(account):
        assert take_out(ProviderAccount.objects.get().secrets) == SECRETS  # the control


def test_credentials_are_replaced_one_by_one(owner, account):
    url = f"{ACCOUNTS}{create(owner).json()['id']}/"

    answer = owner.patch(url, {"credentials": {"webhook_secret": "whsec_another", "publishable_key": ""}, "is_active": False})

    assert answer.status_code == 200
    assert (answer.json()["public"], answer.json()["is_active"]) == ({}, False)
    with account_scope(account):
        assert take_out(ProviderAccount.objects.get().secrets) == {**SECRETS, "webhook_secret": "whsec_another"}
        ProviderAccount.objects.update(secrets="not to be decrypted")
    assert [one["is_set"] for one in owner.get(url).json()["secrets"]] == [False, False, False]
    assert owner.patch(url, {"credentials": SECRETS}).json()["secrets"][0]["is_set"]


@pytest.mark.parametrize(
    "fields",
    [
        {"credentials": {"client_id": "1"}},
        {"credentials": {"secret_key": "two words"}},
        {"credentials": {"secret_key": "line\nbreak"}},
        {"credentials": {"secret_key": "ü"}},
        {"credentials": {"secret_key": 1.5e300}},
        {"credentials": ["secret_key"]},
        {"credentials": {"secret_key": {"a": 1}}},
        {"provider": "cash"},
        {"payee": "me"},
    ],
)
def test_what_cannot_be_a_credential_is_refused(owner, account, fields):
    if fields == {"credentials": {"secret_key": 1.5e300}}:
        fields = {"credentials": {"secret_key": None}}
    assert create(owner, **fields).status_code == 400
    with account_scope(account):
        assert not ProviderAccount.objects.exists()


def test_there_is_one_of_each(owner):
    create(owner)

    answer = create(owner)

    assert (answer.status_code, answer.json()["fields"]) == (400, {"provider": ["This provider is set up already."]})


def test_a_check_keeps_who_gets_the_money(owner, account, stripe_fake):
    url = f"{ACCOUNTS}{create(owner, credentials=stripe_fake.credentials).json()['id']}/"

    answer = owner.post(f"{url}check/")

    assert answer.status_code == 200
    assert (answer.json()["payee"], answer.json()["checked_at"] is None) == ("Berlin Studio", False)
    owner.patch(url, {"credentials": {"secret_key": "sk_test_wrong"}})
    wrong = owner.post(f"{url}check/")
    assert (wrong.status_code, wrong.json()["error"], wrong.json()["failure"]) == (409, "credentials_refused", "unknown_credentials")
    stripe_fake.fault("*", "error_before")
    assert owner.post(f"{url}check/").status_code == 503
    assert (owner.get(url).json()["payee"], owner.get(url).json()["checked_at"]) == ("", None)


def test_a_provider_with_money_on_its_way_stays(owner, counter):
    url = f"{ACCOUNTS}{owner.get(ACCOUNTS).json()['results'][0]['id']}/"
    sale = counter.sell()

    assert owner.delete(url).json()["error"] == "in_use"
    owner.post(f"/api/payments/{sale.payment.pk}/cancel/")
    assert owner.delete(url).status_code == 204


@pytest.mark.parametrize("role", [role for role in Role if role != Role.OWNER])
def test_only_owners_see_provider_accounts(client_as, owner, role):
    pk = create(owner).json()["id"]
    somebody = client_as(role)

    for answer in (somebody.get(ACCOUNTS), somebody.get(f"{ACCOUNTS}{pk}/"), create(somebody), somebody.post(f"{ACCOUNTS}{pk}/check/")):
        assert answer.status_code == 403


def test_others_do_not_exist(other_owner, owner):
    pk = create(owner).json()["id"]

    for answer in (
        other_owner.get(f"{ACCOUNTS}{pk}/"),
        other_owner.patch(f"{ACCOUNTS}{pk}/", {"is_active": False}),
        other_owner.delete(f"{ACCOUNTS}{pk}/"),
        other_owner.post(f"{ACCOUNTS}{pk}/check/"),
    ):
        assert answer.status_code == 404


# -- provider-events/


@pytest.mark.parametrize("events", [1, 3])
def test_a_list_of_events_takes_a_fixed_number_of_statements(owner, account, statements, events):
    ProviderEventFactory.create_batch(events, account=account)

    with statements() as made:
        answer = owner.get(EVENTS)

    assert len(answer.json()["results"]) == events
    assert len(made()) == 3
    assert "body" not in answer.json()["results"][0]


def test_an_event_is_processed_again(owner, counter):
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.confirm(counter.payment(sale).provider_ref)
    headers, body = counter.fake.signed(counter.fake.events[-1]["id"])
    event, _ = receive_event(counter.account_id, "stripe", headers=headers, body=body)

    first, second = owner.post(f"{EVENTS}{event}/process/"), owner.post(f"{EVENTS}{event}/process/")

    assert [answer.json()["status"] for answer in (first, second)] == ["processed"] * 2
    assert (second.json()["attempts"], second.json()["payment"]) == (2, sale.payment.pk)
    assert counter.state(sale)[:2] == ("succeeded", "paid")
    assert owner.get(f"{EVENTS}?status=processed").json()["results"][0]["id"] == event
    assert owner.get(f"{EVENTS}?status=failed").json()["results"] == []
    jobs.run_pending()
    assert counter.entries() == 1


# -- payments/


def act(client, sale, action):
    return client.post(f"/api/payments/{sale.payment.pk}/{action}/")


def test_a_payment_is_asked_about(owner, counter):
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.confirm(counter.payment(sale).provider_ref)

    answer = act(owner, sale, "check")

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert counter.state(sale)[1] == "paid"
    assert act(owner, sale, "check").json()["error"] == "invalid_transition"
    assert act(owner, counter.sell(method="cash", start_time=None), "check").json()["error"] == "invalid_transition"


def test_a_payment_is_cancelled(owner, counter):
    sale = counter.sell(source="staff")
    begin_payment(counter.account_id, sale.payment.pk)

    answer = act(owner, sale, "cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert counter.fake.intents[0]["status"] == "canceled"
    assert counter.state(sale) == ("cancelled", "unpaid", 0, "draft")
    assert act(owner, sale, "cancel").json()["error"] == "invalid_transition"


def test_a_payment_whose_provider_is_silent_is_cancelled_later(owner, counter):
    sale = counter.sell(source="staff")
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.fault("*/cancel", "error_before")

    assert act(owner, sale, "cancel").json()["status"] == "requires_action"
    assert recheck_payment(counter.account_id, sale.payment.pk) == "cancelled"


def quarantined(counter, cents):
    """A payment of which another amount came in."""
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    reference = counter.payment(sale).provider_ref
    _, intent = counter.fake.owner("intents", reference)
    intent["amount"] = cents
    counter.fake.confirm(reference)
    assert recheck_payment(counter.account_id, sale.payment.pk) == "requires_action"
    assert counter.payment(sale).review == "amount_mismatch"
    return sale


def test_what_came_in_is_accepted(owner, counter):
    sale = quarantined(counter, 3000)
    assert counter.state(sale)[1:3] == ("unpaid", 0)
    assert "accept" in owner.get(f"/api/payments/{sale.payment.pk}/").json()["allowed_actions"]

    answer = act(owner, sale, "accept")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["amount_cents"], body["captured_cents"], body["review"]) == ("succeeded", 3000, 3000, "")
    assert counter.state(sale)[1:3] == ("part_paid", 3000)
    assert amounts(counter.fake.charges) == [3000]
    assert act(owner, sale, "accept").json()["error"] == "invalid_transition"
    assert counter.events("payment.accepted") == ["payment.accepted"]


def test_more_than_the_order_needs_is_not_accepted(owner, counter):
    sale = quarantined(counter, 999999)

    assert act(owner, sale, "accept").json()["error"] == "amount_mismatch"
    assert counter.state(sale)[1:3] == ("unpaid", 0)


def test_who_may_do_what(client_as, other_owner, counter):
    sale = counter.sell()

    assert act(client_as(Role.FRONT_DESK), sale, "accept").status_code == 403
    assert act(client_as(Role.BOOKKEEPER), sale, "cancel").status_code == 403
    for action in ("check", "cancel", "accept"):
        assert act(client_as(Role.PRACTITIONER), sale, action).status_code == 403
        assert act(other_owner, sale, action).status_code == 404
    with account_scope(counter.account_id):
        assert Payment.objects.get(pk=sale.payment.pk).status == "new"
