"""Two records of one person become one, and two again."""

from datetime import timedelta

import pytest
from django.db import transaction

from apps.bookings.models import Booking
from apps.clients.errors import MergeChanged, MergeConflict
from apps.clients.models import Client, ClientMerge, ClientNote, Erasure
from apps.clients.services.merging import MERGED, NOT_MERGED, merge_clients, move_stragglers, quote_merge, undo_merge
from apps.clients.services.subjects import erase_client, erase_waiting, hold_client, lift_hold
from apps.core.doctor import findings
from apps.core.errors import Invalid, InvalidTransition, QuoteStale
from apps.core.events import acting
from apps.core.merging import relations_to, undeclared
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.models import Order
from apps.payments.models import Book, Invoice, LedgerEntry, Payment, WalletBalance, WalletLot, WalletTransaction
from apps.payments.services.wallet import balance_of, give_credit, spend_credit
from apps.sites.models import SiteOwnership
from factories.bookings import BookingFactory
from factories.clients import ClientFactory
from factories.orders import OrderFactory
from factories.payments import PaymentFactory
from factories.sites import SiteOwnershipFactory
from factories.users import CustomerFactory
from tests.bookings.groups import draft, join
from tests.sites.life import Agency
from tests.studio import NOW, open_studio

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(in_account):
    """The one who stays, and the one who goes."""
    return ClientFactory(account=in_account, full_name="Ada Lovelace"), ClientFactory(account=in_account, full_name="A. Lovelace")


def reloaded(*rows):
    return [type(row).objects.get(pk=row.pk) for row in rows]


def sound():
    with platform_scope("test"):
        return {one.code: rows for one, rows in findings() if rows}


# -- the registry


def test_every_relation_to_a_client_says_what_a_merge_does_with_it():
    assert undeclared(Client) == []
    assert {"orders.order.client", "orders.order.payer", "payments.walletbalance.client", "clients.client.merged_into"} <= set(
        relations_to(Client)
    )


def test_every_field_of_a_client_says_what_a_merge_does_with_it():
    fields = {field.name for field in Client._meta.concrete_fields}

    assert fields == {*MERGED, *NOT_MERGED}


# -- the fields


def test_the_winner_keeps_its_own_values_and_takes_what_it_lacks(in_account):
    winner = ClientFactory(
        account=in_account, full_name="Ada", email="", tags=["vip"], custom_fields={"size": "M", "shoe": ""}, stage="lead"
    )
    loser = ClientFactory(
        account=in_account, full_name="Ada L.", email="ada@example.test", phone_number="+4930123456", tags=["early", "vip"],
        custom_fields={"size": "L", "shoe": "38"}, stage="active", tax_id="DE1",
    )  # fmt: skip

    merge_clients(winner, other=loser, at=NOW)

    winner, loser = reloaded(winner, loser)
    assert (winner.full_name, winner.email, str(winner.phone_number), winner.stage) == ("Ada", "ada@example.test", "+4930123456", "active")
    assert (winner.tags, winner.custom_fields, winner.tax_id) == (["vip", "early"], {"size": "M", "shoe": "38"}, "DE1")
    assert (loser.merged_into, loser.email, winner.merged_ids) == (winner, "ada@example.test", [loser.pk])


def test_fields_can_be_chosen_one_by_one(pair):
    winner, loser = pair

    merge_clients(winner, other=loser, fields={"full_name": loser.pk, "email": winner.pk, "tags": loser.pk})

    assert reloaded(winner)[0].full_name == "A. Lovelace"
    assert reloaded(winner)[0].email == pair[0].email


def test_of_consents_the_last_word_counts_and_a_block_stays(in_account):
    granted, withdrawn = {"granted": True, "at": "2026-01-01T00:00:00Z"}, {"granted": False, "at": "2026-02-01T00:00:00Z"}
    winner = ClientFactory(account=in_account, consents={"news": granted, "photos": withdrawn, "x": {"granted": True}})
    loser = ClientFactory(
        account=in_account, consents={"news": withdrawn, "photos": granted, "x": {"granted": False}}, blocked_at=NOW, blocked_reason="Rude"
    )

    merge_clients(winner, other=loser)

    winner = reloaded(winner)[0]
    assert winner.consents == {"news": withdrawn, "photos": withdrawn, "x": {"granted": False}}
    assert (winner.blocked_at, winner.blocked_reason) == (NOW, "Rude")


@pytest.mark.parametrize("fields", [{"nonsense": 1}, {"full_name": 10**9}, {"consents": 1}])
def test_choices_name_a_field_and_one_of_the_two(pair, fields):
    winner, loser = pair

    with pytest.raises(Invalid), transaction.atomic():
        merge_clients(winner, other=loser, fields=fields)

    assert reloaded(loser)[0].merged_into is None


def test_a_client_is_not_merged_with_itself_nor_twice(pair):
    winner, loser = pair
    merge_clients(winner, other=loser)

    for one, other in ((winner, winner), (winner, loser), (loser, winner)):
        with pytest.raises(Invalid), transaction.atomic():
            merge_clients(one, other=other)


# -- what moves


def test_sessions_orders_and_money_follow_and_the_books_stay(account):
    studio = open_studio(account)
    with account_scope(account):
        loser, winner = studio.client, ClientFactory(account=account)
        sale = studio.sell(service=studio.service)
        before = sound()
        entries = LedgerEntry.objects.filter(client=loser).count()
        invoices = Invoice.objects.filter(client=loser).count()

        merge = merge_clients(winner, other=loser)

        order, payment, booking = reloaded(sale.order, *Payment.objects.filter(order=sale.order), sale.bookings[0])
        assert (order.client, payment.client, booking.client) == (winner, winner, winner)
        assert merge.moved["orders.order.client"] == [order.pk]
        assert merge.moved["payments.payment.client"] == [payment.pk]
        assert (LedgerEntry.objects.filter(client=loser).count(), Invoice.objects.filter(client=loser).count()) == (entries, invoices)
        assert entries > 0
        assert sound() == before


def test_whoever_was_merged_earlier_leads_to_the_last_winner(in_account):
    first, second, third = (ClientFactory(account=in_account) for _ in range(3))

    merge_clients(second, other=first)
    merge_clients(third, other=reloaded(second)[0])

    first, second, third = reloaded(first, second, third)
    assert (first.merged_into, second.merged_into, third.merged_ids) == (third, third, sorted([first.pk, second.pk]))


def test_the_login_of_the_loser_goes_to_a_winner_without_one(in_account, pair):
    winner, loser = pair
    loser.customer = CustomerFactory()
    loser.save()

    merge_clients(winner, other=loser)

    winner, loser = reloaded(winner, loser)
    assert (winner.customer is not None, loser.customer) == (True, None)


def test_credit_joins_as_lots_in_the_wallet_of_the_login_that_stays(in_account, pair):
    winner, loser = pair
    for client in pair:
        client.customer = CustomerFactory()
        client.save()
    kept = give_credit(client=winner, amount_cents=1000, currency="EUR", source="gift", from_book=Book.GOODWILL, at=NOW)
    lot = give_credit(
        client=loser, amount_cents=700, currency="EUR", source="top_up", from_book=Book.CASH, expires_at=NOW + timedelta(days=9), at=NOW
    )
    spend_credit(
        order=OrderFactory(account=in_account, client=loser, total_amount_cents=200, subtotal_cents=200),
        amount_cents=200,
        reserve=False,
        at=NOW,
    )

    merge = merge_clients(winner, other=loser, at=NOW)

    lot, kept = reloaded(lot, kept)
    assert lot.balance == kept.balance
    assert (lot.remaining_cents, lot.source, lot.expires_at) == (500, "top_up", NOW + timedelta(days=9))
    assert balance_of(reloaded(winner)[0], "EUR", at=NOW) == 1500
    assert sorted(WalletBalance.objects.values_list("balance_cents", flat=True)) == [0, 1500]
    assert "I15" not in sound()
    assert "I15.books" not in sound()

    undo_merge(merge)

    winner, loser = reloaded(winner, loser)
    assert (balance_of(winner, "EUR", at=NOW), balance_of(loser, "EUR", at=NOW)) == (1000, 500)
    assert {line.client_id for line in WalletTransaction.objects.filter(balance__wallet__user__customer=loser.customer)} == {loser.pk}
    assert not {"I15", "I15.books"} & set(sound())


def test_credit_that_was_spent_since_forbids_the_undo(in_account, pair):
    winner, loser = pair
    loser.customer = CustomerFactory()
    winner.customer = CustomerFactory()
    loser.save()
    winner.save()
    lot = give_credit(client=loser, amount_cents=700, currency="EUR", source="gift", from_book=Book.GOODWILL, at=NOW)
    merge = merge_clients(winner, other=loser, at=NOW)
    spend_credit(order=OrderFactory(account=in_account, client=winner), amount_cents=100, reserve=False, at=NOW)

    with pytest.raises(MergeChanged) as refused, transaction.atomic():
        undo_merge(merge)

    assert refused.value.extras["rows"]["payments.walletbalance.client"] == [lot.pk]
    assert WalletLot.objects.get(pk=lot.pk).remaining_cents == 600


def test_two_places_in_one_session_must_be_resolved_first(account):
    studio = open_studio(account, capacity=4)
    with account_scope(account):
        other = ClientFactory(account=account)
        mine, theirs = join(studio, draft(studio, studio.client)), join(studio, draft(studio, other))

        (shown,) = quote_merge(studio.client, other=other, at=NOW)["conflicts"]
        with pytest.raises(MergeConflict) as refused, transaction.atomic():
            merge_clients(studio.client, other=other, at=NOW)

        assert {shown["booking"], shown["other"]} == {mine.pk, theirs.pk}
        assert shown["is_blocking"]
        assert refused.value.extras["conflicts"][0]["is_blocking"]
        theirs.attendee_name = "A friend"
        theirs.save()
        (shown,) = quote_merge(studio.client, other=other, at=NOW)["conflicts"]
        assert not shown["is_blocking"]
        merge_clients(studio.client, other=other, at=NOW)
        assert Booking.objects.get(pk=theirs.pk).client == studio.client


# -- quotes


def test_a_quote_holds_until_something_changes(in_account, pair):
    winner, loser = pair
    quote = quote_merge(winner, other=loser)
    OrderFactory(account=in_account, client=loser)

    with pytest.raises(QuoteStale) as stale, transaction.atomic():
        merge_clients(winner, other=loser, quote=quote["token"])

    merge_clients(winner, other=loser, quote=stale.value.extras["quote"]["token"])
    assert reloaded(loser)[0].merged_into == winner


def test_a_quote_says_values_rows_and_what_stays_and_changes_nothing(account):
    studio = open_studio(account)
    with account_scope(account):
        winner = ClientFactory(account=account, full_name="Ada", email="")
        studio.sell(service=studio.service)

        quote = quote_merge(winner, other=studio.client, at=NOW)

        assert quote["fields"]["full_name"] == {"value": "Ada", "from": winner.pk, "client": "Ada", "other": studio.client.full_name}
        assert quote["fields"]["email"]["from"] == studio.client.pk
        assert (quote["rows"]["orders.order.client"], quote["rows"]["bookings.booking.client"]) == (1, 1)
        assert quote["staying"]["payments.ledgerentry.client"] > 0
        assert reloaded(studio.client)[0].merged_into is None
        assert not ClientMerge.objects.exists()


# -- back again


def test_undo_gives_everything_back(account):
    studio = open_studio(account)
    with account_scope(account):
        winner = ClientFactory(account=account, full_name="Ada", email="", tags=["vip"])
        studio.client.customer = CustomerFactory()
        studio.client.tags = ["late"]
        studio.client.save()
        sale = studio.sell(service=studio.service)
        before = sound()
        merge = merge_clients(winner, other=studio.client)

        undo_merge(merge)

        winner, loser = reloaded(winner, studio.client)
        order, booking = reloaded(sale.order, sale.bookings[0])
        assert (order.client, booking.client) == (loser, loser)
        assert (winner.email, winner.tags, winner.customer, winner.merged_ids) == ("", ["vip"], None, [])
        assert (loser.email, loser.customer, loser.merged_into) == (studio.client.email, studio.client.customer, None)
        assert [e.type for e in Event.objects.filter(subject_type="clients.client").order_by("id")][-2:] == [
            "client.merged",
            "client.unmerged",
        ]
        assert sound() == before
        with pytest.raises(InvalidTransition), transaction.atomic():
            undo_merge(merge)


def test_undo_leaves_fields_that_were_changed_since(pair):
    winner, loser = pair
    merge = merge_clients(winner, other=loser, fields={"full_name": loser.pk, "source": loser.pk, "email": loser.pk})
    winner = reloaded(winner)[0]
    winner.full_name = "Ada King"
    winner.save()

    undo_merge(merge)

    winner, loser = reloaded(winner, loser)
    assert (winner.full_name, winner.email, loser.full_name) == ("Ada King", pair[0].email, "A. Lovelace")


def test_a_moved_row_that_was_changed_forbids_the_undo(in_account, pair):
    winner, loser = pair
    note, other = (ClientNote.objects.create(account=in_account, client=loser, body="x") for _ in range(2))
    merge = merge_clients(winner, other=loser)
    note = reloaded(note)[0]
    note.body = "y"
    note.save()

    with pytest.raises(MergeChanged) as refused, transaction.atomic():
        undo_merge(merge)

    assert refused.value.extras["rows"] == {"clients.clientnote.client": [note.pk]}
    assert reloaded(other)[0].client == winner


def test_a_newer_row_on_a_moved_one_forbids_the_undo(account):
    studio = open_studio(account)
    with account_scope(account):
        winner = ClientFactory(account=account)
        order = OrderFactory(account=account, client=studio.client)
        merge = merge_clients(winner, other=studio.client)
        newer = BookingFactory(account=account, order=Order.objects.get(pk=order.pk))

        with pytest.raises(MergeChanged) as refused, transaction.atomic():
            undo_merge(merge)

        assert refused.value.extras["rows"] == {"bookings.booking.client": [newer.pk]}


def test_what_hung_on_a_moved_row_before_the_merge_does_not_forbid_the_undo(in_account, pair):
    winner, loser = pair
    order = OrderFactory(account=in_account, client=loser, payer=winner)
    payment = PaymentFactory(account=in_account, order=order, client=winner)
    merge = merge_clients(winner, other=loser)

    undo_merge(merge)

    order, payment = reloaded(order, payment)
    assert (order.client, order.payer, payment.client) == (loser, winner, winner)


def test_the_later_of_two_merges_is_undone_first(in_account):
    first, second, third = (ClientFactory(account=in_account) for _ in range(3))
    early = merge_clients(second, other=first)
    merge_clients(third, other=reloaded(second)[0])

    with pytest.raises(MergeChanged), transaction.atomic():
        undo_merge(early)


def test_what_was_written_for_the_loser_meanwhile_is_moved_by_the_job(in_account, pair):
    winner, loser = pair
    merge = merge_clients(winner, other=loser)
    order = OrderFactory(account=in_account, client=loser)

    assert (move_stragglers(merge), move_stragglers(merge)) == (1, 0)

    assert Order.objects.get(pk=order.pk).client == winner
    assert reloaded(merge)[0].moved["orders.order.client"] == [order.pk]
    undo_merge(merge)
    assert Order.objects.get(pk=order.pk).client == loser


def test_a_site_that_was_bought_meanwhile_goes_back_with_the_others(account):
    agency = Agency(account)
    ann = agency.person("Ann")
    agency.give("b", ann)
    before = sound()
    with account_scope(account):
        merge = merge_clients(ClientFactory(account=account, email=""), other=Client.objects.get(pk=ann.pk))
        late = SiteOwnershipFactory(account=account, client=ann, customer=ann.customer, site=agency.sites["c"], is_primary=False)
        assert move_stragglers(merge) == 1

        undo_merge(reloaded(merge)[0])

        assert set(SiteOwnership.objects.values_list("client", "customer")) == {(ann.pk, ann.customer_id)}
        assert agency.owned(ann) == ["b*", "c"]
        assert reloaded(late)[0].client == ann
        assert sound() == before


def test_an_erasure_that_waits_is_of_the_one_who_stays(pair):
    winner, loser = pair
    note = ClientNote.objects.create(account_id=loser.account_id, client=loser, body="afraid of needles")
    hold_client(loser, reason="court")
    waiting = erase_client(loser, wait=True)
    winner = merge_clients(winner, other=reloaded(loser)[0]).winner
    lift_hold(winner)

    assert erase_waiting(NOW) == 1

    winner, loser, waiting = reloaded(winner, loser, waiting)
    assert (waiting.state, waiting.client) == ("done", winner)
    assert [one.full_name for one in (winner, loser)] == [f"Erased client {winner.pk}", f"Erased client {loser.pk}"]
    assert not ClientNote.objects.filter(pk=note.pk).exists()


def test_of_two_erasures_that_wait_one_is_left_and_undo_gives_each_its_own(pair):
    for one in pair:
        hold_client(one, reason="court")
        erase_client(one, wait=True)
    winner, loser = reloaded(*pair)

    merge = merge_clients(winner, other=loser)

    assert [one.client_id for one in Erasure.objects.order_by("pk")] == [winner.pk, loser.pk]
    assert erase_waiting(NOW) == 0
    undo_merge(merge)
    assert list(Erasure.objects.order_by("pk").values_list("client_id", "state")) == [(winner.pk, "waiting"), (loser.pk, "waiting")]


@pytest.mark.parametrize("erased", [0, 1])
def test_whoever_was_erased_is_not_merged(pair, erased):
    erase_client(pair[erased], at=NOW)
    winner, loser = reloaded(*pair)

    with pytest.raises(Invalid) as refused, transaction.atomic():
        merge_clients(winner, other=loser)

    assert refused.value.fields == {("client", "other")[erased]: ["This client was erased."]}


def test_who_merged_is_kept(pair):
    winner, loser = pair
    user = CustomerFactory().user
    with acting(user.pk, "staff"):
        merge = merge_clients(winner, other=loser)

    assert merge.merged_by == user
