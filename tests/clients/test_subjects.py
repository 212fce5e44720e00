"""A person gets what is kept about them, and is erased without a trace that names them (security.md AC10, T27, T28)."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction

from apps.bookings.models import Booking
from apps.bookings.services.documents import add_document
from apps.bookings.services.endings import cancel_booking
from apps.clients.errors import ErasureRefused, ExportGone
from apps.clients.models import Client, Erasure, SubjectExport
from apps.clients.services import subjects
from apps.clients.services.archives import drop_expired, take_archive
from apps.clients.services.blocking import block_client
from apps.clients.services.clients import update_client
from apps.clients.services.merging import merge_clients
from apps.clients.services.people import ask_for_own_archive, erase_person
from apps.clients.services.subjects import (
    ask_for_archive,
    erase_client,
    erase_waiting,
    hold_client,
    lift_hold,
    subject_of,
)
from apps.core import jobs, storage
from apps.core.doctor import findings
from apps.core.errors import Invalid
from apps.core.subjects import undeclared
from apps.core.tenancy import account_scope, platform_scope
from apps.integrations.services.feeds import make_feed
from apps.payments.models import Invoice
from apps.users.models import User
from factories.bookings import ReviewFactory
from factories.content import TestimonialFactory
from factories.crm import ClientConsentFactory, ClientNoteFactory, ClientTaskFactory
from factories.users import AddressFactory, CustomerFactory
from tests.bookings.life import FOR_WORKERS, book, bring, pay
from tests.bookings.uploads import PDF
from tests.payments.documents import issue
from tests.portal import become, sign_in
from tests.studio import NOW, open_studio

CANARY = "Zebulon"
WORDS = (CANARY.lower(), "zeb@canary.example", "+4915770001122", "quagga")
LATER = NOW + timedelta(days=30)
LEGAL = {"payments_invoice"}
"""Frozen documents keep the name that they were issued to."""


def life(studio):
    """A client with a login who has left words in every corner of the account."""
    customer = become(studio, CustomerFactory(user__email="zeb@canary.example", full_name="Zebulon Quagga", phone_number="+4915770001122"))
    AddressFactory(user=customer.user, line1="Quagga Lane 1")
    with account_scope(studio.account), transaction.atomic():
        studio.client = update_client(
            studio.client,
            full_name="Zebulon Quagga",
            email="zeb@canary.example",
            phone_number="+4915770001122",
            tags=["zebulon"],
            custom_fields={"shoe": "Quagga"},
            billing_address="Zebulon Quagga\nQuagga Lane 1",
        )
        for made in (ClientNoteFactory, ClientTaskFactory, ClientConsentFactory):
            made(account=studio.account, client=studio.client)
        studio.client.notes.update(body="Zebulon is afraid of needles")
        studio.client.tasks.update(title="Call Zebulon")
    sale = studio.sell()
    pay(studio, sale)
    done = bring(studio, "completed", sale.bookings[0])
    second = book(studio, sale.bookings[1], start=NOW + timedelta(days=3, hours=1))
    with account_scope(studio.account), transaction.atomic():
        Booking.objects.filter(pk=done.pk).update(attendee_name="Quagga junior")
        ReviewFactory(account=studio.account, booking=done, client=studio.client, practitioner=studio.practitioner, comment="I am Zebulon")
        add_document(done, name="zebulon.pdf", content=PDF)
        make_feed(client=studio.client, label="Zebulon's phone")
        cancel_booking(second, reason="Zebulon is ill", at=NOW)
    issue(studio, sale.order)
    jobs.run_pending()
    return customer


def hits(*words: str) -> dict[str, int]:
    """{table: rows} of everything in the database that says one of these words."""
    found = {}
    with platform_scope("search of the whole database"), connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        )
        for (table,) in cursor.fetchall():
            where = " OR ".join(["one::text ILIKE %s"] * len(words))
            cursor.execute(f'SELECT count(*) FROM "{table}" AS one WHERE {where}', [f"%{word}%" for word in words])
            (count,) = cursor.fetchone()
            if count:
                found[table] = count
    return found


def broken() -> dict[str, list]:
    with platform_scope("doctor"):
        return {one.code: rows for one, rows in findings() if rows and one.code not in FOR_WORKERS | {"I21"}}  # a studio has no owner


@pytest.fixture
def folder(settings, tmp_path):
    settings.DOCUMENTS_STORAGE["OPTIONS"]["location"] = str(tmp_path)
    return tmp_path


def at(studio, service, subject, **options):
    with account_scope(studio.account), transaction.atomic():
        return service(subject, **{"at": LATER, **options})


def test_every_relation_to_a_client_says_what_becomes_of_it():
    assert undeclared(Client) == []


@pytest.mark.django_db(transaction=True)
def test_nothing_names_an_erased_client_but_documents_of_the_law(studio):
    with time_machine.travel(NOW, tick=True):
        life(studio)
    before = hits(*WORDS)
    assert {"clients_client", "core_event", "bookings_booking", "notifications_delivery", "clients_historicalclient"} <= before.keys()

    erasure = at(studio, erase_client, studio.client, reason="asked for it")

    login = {"users_user", "users_customer", "users_historicaluser", "users_historicalcustomer", "users_address", "account_emailaddress"}
    assert hits(*WORDS).keys() - login <= LEGAL, hits(*WORDS)
    assert erasure.certificate["dropped"]["clients_clientnote"] == 1
    assert erasure.certificate["kept"]["payments_invoice"]["rows"] == 1
    assert erasure.kept_until.year == LATER.year + 10
    with account_scope(studio.account):
        client = Client.objects.get(pk=studio.client.pk)
        assert (client.full_name, client.email, client.customer_id, client.stage) == (f"Erased client {client.pk}", "", None, "archived")
        assert Invoice.objects.filter(client=client).count() == 1
    assert broken() == {}


@pytest.mark.django_db(transaction=True)
def test_erasing_again_answers_with_the_same_certificate(studio):
    with time_machine.travel(NOW, tick=True):
        life(studio)
    first = at(studio, erase_client, studio.client)

    again = at(studio, erase_client, studio.client, at=LATER + timedelta(days=1))

    assert (again.pk, again.erased_at, again.certificate) == (first.pk, LATER, first.certificate)


@pytest.mark.parametrize("change", [{"full_name": "Zebulon"}, {"stage": "active", "email": "zeb@canary.example"}])
def test_nobody_is_written_onto_an_erased_record(studio, change):
    at(studio, erase_client, studio.client)

    with pytest.raises(Invalid):
        at(studio, lambda client, at: update_client(client, **change), studio.client)

    with account_scope(studio.account):
        assert Client.objects.get(pk=studio.client.pk).full_name == f"Erased client {studio.client.pk}"


@pytest.mark.django_db(transaction=True)
def test_a_person_erases_themself_everywhere(studio):
    with time_machine.travel(NOW, tick=True):
        other = open_studio()
        customer = life(studio)
        become(other, customer)
        at(other, lambda client, at: update_client(client, full_name="Zebulon Quagga"), other.client)
    with time_machine.travel(LATER, tick=True):
        owner = sign_in(customer)
        assert owner.post("/api/customer/erase/", {"confirm": "erase", "password": "wrong"}).json()["fields"].keys() == {"password"}
        customer.user.set_password("a-long-password-1")
        customer.user.save()
        owner = sign_in(customer)

        answer = owner.post("/api/customer/erase/", {"confirm": "erase", "password": "a-long-password-1"})

    assert answer.status_code == 200, answer.content
    assert {one["account"] for one in answer.json()["erasures"]} == {studio.account.slug, other.account.slug}
    assert hits(*WORDS).keys() <= LEGAL, hits(*WORDS)
    user = User.objects.get(pk=customer.user_id)
    assert (user.is_active, user.has_usable_password(), user.email) == (False, False, f"erased-{user.pk}@erased.invalid")
    assert owner.get("/api/customer/me/").status_code == 401
    assert broken() == {}


def test_whoever_still_has_something_to_come_is_not_erased_at_all(studio):
    customer = become(studio)
    booked = book(studio)
    with pytest.raises(ErasureRefused) as refusal:
        at(studio, erase_client, studio.client, at=NOW)
    reasons = {one["code"]: one["ids"] for one in refusal.value.extras["reasons"]}
    assert reasons == {"future_booking": [booked.pk], "open_balance": [booked.order_id], "open_payment": reasons["open_payment"]}

    with pytest.raises(ErasureRefused) as refusal, transaction.atomic():
        erase_person(customer.user, at=NOW)
    assert {one["account"] for one in refusal.value.extras["reasons"]} == {studio.account.slug}
    with account_scope(studio.account):
        assert Client.objects.get(pk=studio.client.pk).customer_id == customer.pk


def test_a_legal_hold_forbids_it_until_its_day(studio):
    at(studio, lambda client, at: hold_client(client, reason="court", until=LATER.date()), studio.client)
    with pytest.raises(ErasureRefused) as refusal:
        at(studio, erase_client, studio.client)
    assert refusal.value.extras["reasons"] == [{"code": "legal_hold", "ids": [studio.client.pk]}]

    assert at(studio, erase_client, studio.client, at=LATER + timedelta(days=1)).state == "done"


def test_an_erasure_waits_until_nothing_forbids_it(studio):
    at(studio, lambda client, at: hold_client(client, reason="court"), studio.client)
    waiting = at(studio, erase_client, studio.client, wait=True)
    assert (waiting.state, [one["code"] for one in waiting.obstacles]) == ("waiting", ["legal_hold"])
    assert erase_waiting(LATER) == 0

    at(studio, lambda client, at: lift_hold(client), studio.client)

    assert erase_waiting(LATER) == 1
    with account_scope(studio.account):
        assert Erasure.objects.get().state == "done"


@pytest.mark.django_db(transaction=True)
def test_an_erasure_that_breaks_holds_up_no_other(studio, monkeypatch):
    stranger = studio.other_client()
    for one in (studio.client, stranger):
        at(studio, lambda client, at: hold_client(client, reason="court"), one)
        at(studio, erase_client, one, wait=True)
        at(studio, lambda client, at: lift_hold(client), one)
    original = subjects.erase

    def breaks(subject):
        if subject.ids == (studio.client.pk,):
            raise RuntimeError("of this one")
        return original(subject)

    monkeypatch.setattr(subjects, "erase", breaks)
    with pytest.raises(RuntimeError):
        erase_waiting(LATER)

    with account_scope(studio.account):
        assert dict(Erasure.objects.values_list("client_id", "state")) == {studio.client.pk: "waiting", stranger.pk: "done"}


def test_a_name_that_looks_erased_saves_nobody(studio):
    with account_scope(studio.account), transaction.atomic():
        update_client(studio.client, full_name="Erased client Zebulon", email="zeb@canary.example")

    at(studio, erase_client, studio.client)

    assert hits("Zebulon", "zeb@canary.example") == {}


def test_what_was_deleted_before_is_forgotten_by_its_history_too(studio):
    with account_scope(studio.account), transaction.atomic():
        review = ReviewFactory(account=studio.account, client=studio.client)
        TestimonialFactory(account=studio.account, review=review, body="Zebulon was there").delete()
    assert hits("Zebulon").keys() == {"content_historicaltestimonial"}

    at(studio, erase_client, studio.client)

    assert hits("Zebulon") == {}


# -- archives


@pytest.mark.django_db(transaction=True)
def test_an_archive_holds_what_is_kept_about_one_person_and_nobody_else(studio):
    with time_machine.travel(NOW, tick=True):
        life(studio)
        stranger = studio.other_client()
        with account_scope(studio.account), transaction.atomic():
            update_client(stranger, full_name="Somebody Else")
            export = ask_for_archive(studio.client)
        jobs.run_pending()
        with account_scope(studio.account), transaction.atomic():
            key = take_archive(SubjectExport.objects.get(pk=export.pk))
    with zipfile.ZipFile(io.BytesIO(storage.open_file(key).read())) as packed:
        names = set(packed.namelist())
        lists = {name: json.loads(packed.read(name)) for name in names if name.endswith(".json")}
        document = next(name for name in names if name.startswith("documents/"))
        assert packed.read(document) == PDF
    assert {"client.json", "bookings.json", "orders.json", "payments.json", "notes.json", "timeline.json", "invoices.json"} <= names
    assert lists["client.json"][0]["email"] == "zeb@canary.example"
    assert len(lists["bookings.json"]) == 3
    assert lists["notes.json"][0]["body"] == "Zebulon is afraid of needles"
    assert "Somebody Else" not in json.dumps(lists)

    with account_scope(studio.account), pytest.raises(ExportGone), transaction.atomic():
        take_archive(SubjectExport.objects.get(pk=export.pk))
    with platform_scope("archives"):
        assert drop_expired(SubjectExport, NOW + timedelta(days=8)) == 1
    jobs.run_pending()
    assert storage.open_file(key) is None


@pytest.mark.django_db(transaction=True)
def test_ones_own_archive_leaves_out_what_staff_wrote_for_each_other(studio):
    with time_machine.travel(NOW, tick=True):
        customer = life(studio)
        twin = studio.other_client()
        with account_scope(studio.account), transaction.atomic():
            block_client(twin, reason="smells of needles")
            hold_client(twin, reason="sues about needles", until=NOW.date())
            merge_clients(studio.client, other=Client.objects.get(pk=twin.pk))
        with transaction.atomic():
            ask_for_own_archive(customer.user)
        jobs.run_pending()
        mine = sign_in(customer)
        (export,) = mine.get("/api/customer/export/").json()["results"]
        answer = mine.post(f"/api/customer/export/{export['id']}/download/", {})
        again = mine.post(f"/api/customer/export/{export['id']}/download/", {})
        foreign = sign_in(CustomerFactory()).post(f"/api/customer/export/{export['id']}/download/", {})
    assert (export["state"], answer.status_code, again.status_code, foreign.status_code) == ("ready", 200, 409, 404)
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as packed:
        names = set(packed.namelist())
        assert b"needles" not in b"".join(packed.read(name) for name in names)
    assert {
        "login.json",
        "profile.json",
        "addresses.json",
        f"{studio.account.slug}/client.json",
        f"{studio.account.slug}/bookings.json",
    } <= names
    assert f"{studio.account.slug}/notes.json" not in names


# -- the command


def test_the_command_changes_nothing_unless_it_is_told_to(studio, capsys, tmp_path):
    call = ("erase_clients", "--account", studio.account.slug, "--client", str(studio.client.pk))
    call_command(*call)
    with account_scope(studio.account):
        assert not Erasure.objects.exists()
    assert "1 erased, 0 erased before, 0 refused, 0 unknown (nothing was changed; add --apply)" in capsys.readouterr().out

    call_command(*call, "--apply")
    call_command("erase_clients", "--list")
    listed = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(listed)["client"] == studio.client.pk

    with account_scope(studio.account), transaction.atomic():  # a backup from before the erasure is restored
        Erasure.objects.all().delete()
        update_client(Client.objects.get(pk=studio.client.pk), full_name="Zebulon Quagga")
    again = tmp_path / "list.jsonl"
    again.write_text(listed + "\n")
    call_command("erase_clients", "--again", str(again), "--apply")
    assert "1 erased" in capsys.readouterr().out
    assert hits(*WORDS) == {}


def test_the_subject_of_a_client_is_known_by_every_word(studio):
    customer = become(studio, CustomerFactory(full_name="Other Name"))
    with account_scope(studio.account):
        subject = subject_of(Client.objects.get(pk=studio.client.pk), NOW)
    assert {"Other Name", customer.user.email, studio.client.full_name} <= set(subject.words)
    assert (subject.ids, subject.user_id) == ((studio.client.pk,), customer.user_id)
