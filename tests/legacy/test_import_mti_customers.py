"""From a database in which a customer is a user to this one (source 001, security.md M8)."""

import json

import psycopg
import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate
from django.db import connection

from apps.core.doctor import findings
from apps.core.errors import Invalid
from apps.core.events import acting, emit
from apps.core.tenancy import account_scope, platform_scope
from apps.legacy.old_database import opened
from apps.legacy.people import MODELS, People
from apps.legacy.record import ImportRecord
from apps.legacy.services import customers as service
from apps.users.models import Address, Customer, User
from factories.accounts import MembershipFactory, token_for
from factories.clients import ClientFactory
from factories.users import AddressFactory, CustomerFactory, UserFactory
from tests.accounts.conftest import AUTH
from tests.conftest import ApiClient
from tests.legacy.old_project import HASH, PASSWORD

pytestmark = pytest.mark.django_db
HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]


@pytest.fixture(autouse=True)
def _real_hashers(settings):
    settings.PASSWORD_HASHERS = HASHERS


@pytest.fixture
def bring(run, old, record):
    """``bring("--apply")``: the command on the old database."""

    def call(*options):
        source = [] if "--undo" in options else ["--source", old.dsn]
        return run("import_mti_customers", *source, "--record", record, *options)

    return call


@pytest.fixture
def imported(bring):
    code, said = bring("--apply")
    assert code == 0, said


def everything():
    return {name: list(model._base_manager.order_by("pk").values()) for name, (_, model) in MODELS.items()}


def counts():
    return {name: model._base_manager.count() for name, (_, model) in MODELS.items()}


ALL = {"users_user": 36, "account_emailaddress": 1, "location_address": 2, "users_customer": 34, "users_historicalcustomer": 3}
NONE = dict.fromkeys(ALL, 0)


def test_dry_run_counts_and_changes_nothing(bring, record):
    code, said = bring()

    assert code == 0, said
    assert "users_user                 36 to bring, 0 here, 36 missing, 0 changed" in said
    assert "users_customer             34 to bring" in said
    assert "rows of payment_wallet that stay behind: 1" in said
    assert "columns of users_user that stay behind: theme: 1" in said
    assert "superusers: 1" in said
    assert "Nothing was changed." in said
    assert (counts(), record.exists()) == (NONE, False)


def test_apply_brings_people_with_ids_links_and_history(bring, imported):
    assert counts() == ALL
    ada, bob, grace, last = (Customer.objects.select_related("user").get(pk=pk) for pk in (9001010, 9001011, 9001012, 9001050))
    assert (ada.user_id, ada.email, ada.user.customer, ada.username) == (9001010, "ada@example.test", ada, "person9001010")
    assert (ada.inviter, bob.inviter, grace.inviter) == (grace, ada, None)
    assert (str(ada.phone_number), ada.gender, ada.country_id) == ("+4930901820", "F", "DE")
    assert (ada.primary_address.pk, ada.primary_address.line1, ada.primary_address.postal_code) == (9000501, "Hauptstr. 1", "10115")
    assert (ada.primary_address.user_id, bob.primary_address.country_id) == (9001010, "US")
    assert (bob.image.name, str(bob.birth_date), bob.is_verified) == ("customers/b.png", "1990-02-28", False)
    assert (grace.full_name, grace.phone_number, grace.is_verified) == ("Grace Hopper", None, True)
    assert (last.is_active, last.language, last.username, str(last.phone_number)) == (False, "de", None, "+1555")
    assert ada.date_joined.isoformat() == "2024-03-01T10:00:50+00:00"
    assert not hasattr(User.objects.get(pk=9001002), "customer")
    admin = User.objects.get(pk=9001001)
    assert (admin.email, admin.is_superuser, admin.is_staff) == ("admin@example.test", True, True)
    assert list(EmailAddress.objects.values_list("pk", "user_id", "email", "verified")) == [(9000301, 9001010, "ada@example.test", True)]
    assert len(set(Customer.objects.values_list("referral_code", flat=True))) == 34


def test_history_keeps_its_ids_and_points_to_the_customer(imported):
    history = Customer.objects.get(pk=9001010).history.order_by("history_id")

    assert list(history.values_list("history_id", "id", "user_id", "history_type", "history_user_id")) == [
        (9000701, 9001010, 9001010, "+", 9001001),
        (9000702, 9001010, 9001010, "~", None),
    ]
    assert (history[1].inviter_id, history[1].history_change_reason, str(history[1].phone_number)) == (9001012, "moved", "+4930901820")
    assert history[1].history_date.isoformat() == "2024-04-01T10:00:42+00:00"
    assert Customer.history.get(history_id=9000703).full_name == "Long gone"


def test_new_rows_take_ids_behind_the_old_ones(bring):
    with connection.cursor() as cursor:
        for _, model in MODELS.values():
            table, column = model._meta.db_table, model._meta.pk.column
            cursor.execute(f"ALTER TABLE {table} ALTER {column} RESTART WITH 1")
    assert bring("--apply")[0] == 0

    customer = CustomerFactory()

    assert (customer.user_id, customer.pk) == (9001051, 9001051)
    assert customer.history.get().history_id == 9000704
    assert AddressFactory(user=customer.user).pk == 9000503


def test_sequences_never_go_back(bring):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users_user ALTER id RESTART WITH 9900000")
    first = UserFactory()
    first.delete()
    assert bring("--apply")[0] == 0

    assert UserFactory().pk == 9900001


def test_the_old_password_signs_in(imported):
    assert User.objects.get(pk=9001010).password == HASH
    assert authenticate(email="ADA@example.test", password=PASSWORD).customer.pk == 9001010

    response = ApiClient().post(f"{AUTH}/auth/login", {"email": "ada@example.test", "password": PASSWORD})

    assert response.status_code == 200, response.content
    me = ApiClient(response.json()["meta"]["access_token"]).get("/api/me/").json()
    assert (me["email"], me["customer"]["id"]) == ("ada@example.test", 9001010)


def test_deleting_a_customer_does_not_delete_the_user(imported):
    Customer.objects.get(pk=9001010).delete()

    user = User.objects.get(pk=9001010)
    assert not hasattr(user, "customer")
    assert Customer.objects.get(pk=9001011).inviter is None
    assert Address.objects.filter(pk=9000501, user=user).exists()


def test_the_database_is_sound_afterwards(imported):
    with platform_scope("test"):
        assert [one.code for one, found in findings() if found] == []


def test_a_second_run_changes_nothing(bring, imported, record):
    before, recorded = everything(), record.read_text()

    code, said = bring("--apply")

    assert (code, "36 to bring, 36 here, 0 missing" in said) == (0, True), said
    assert (everything(), record.read_text()) == (before, recorded)


def test_somebody_who_changed_since_is_reported_and_not_overwritten(bring, imported):
    customer = Customer.objects.get(pk=9001020)
    customer.full_name = "Married Name"
    customer.save()
    Customer.objects.filter(pk=9001010).update(inviter=None)
    before = everything()

    code, said = bring("--apply")

    assert (code, "2 changed: 9001010, 9001020" in said, "Not done" in said) == (1, True, True), said
    assert everything() == before
    assert bring()[0] == 1


@pytest.mark.parametrize("table", ["users_user", "account_emailaddress", "users_customer", "links", "users_historicalcustomer"])
def test_an_interrupted_run_is_continued(bring, old, record, monkeypatch, table):
    class Interrupted(Exception):
        pass

    def interrupt(*args, **kwargs):
        raise Interrupted

    def stop(line):
        if line.startswith(f"{table}: "):
            interrupt()

    if table == "links":
        monkeypatch.setattr(service, "_link_inviters", interrupt)
    with pytest.raises(Interrupted), opened(old.dsn) as source:
        service.import_people(People(source), ImportRecord(record), say=stop, batch=10)
    monkeypatch.undo()
    half = counts()
    assert half["users_historicalcustomer"] == (3 if table == "users_historicalcustomer" else 0)

    code, said = bring("--apply")

    assert (code, counts()) == (0, ALL), said
    assert list(Customer.objects.filter(pk__in=[9001010, 9001011]).order_by("pk").values_list("inviter_id", flat=True)) == [
        9001012,
        9001010,
    ]
    assert bring("--undo")[0] == 0
    assert counts() == NONE


def test_a_batch_that_fails_leaves_only_whole_batches(old, record, monkeypatch):
    calls = []

    def failing(table, wanted, kept):
        calls.append(table.name)
        create(table, wanted, kept)
        if len(calls) == 3:
            raise RuntimeError

    create = service._create_missing
    monkeypatch.setattr(service, "_create_missing", failing)
    with pytest.raises(RuntimeError), opened(old.dsn) as source:
        service.import_people(People(source), ImportRecord(record), say=str, batch=10)

    assert User.objects.count() == 20
    assert len(ImportRecord(record).ids["users_user"]) == 30  # written before the commit that never came


def test_batches_keep_to_their_size(old, record):
    said = []
    with opened(old.dsn) as source:
        service.import_people(People(source), ImportRecord(record), say=said.append, batch=10)

    assert said[:4] == [f"users_user: {done} of 36" for done in (10, 20, 30, 36)]
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert max(len(line.get("created", [])) for line in lines) == 10
    assert lines[-1] == {"finished": True}


PROBLEMS = {
    "email_collision": lambda old: old.user(9001100, "ADA@EXAMPLE.test"),
    "email_missing": lambda old: old.user(9001100, " "),
    "phone_collision": lambda old: [
        old.customer(9001100),
        old.run("UPDATE users_customer SET phone_number = '030 901820' WHERE user_ptr_id = 9001100"),
    ],
    "country": lambda old: [
        old.insert("location_country", code="XKX", name="?"),
        old.run("UPDATE users_customer SET country_id = 'XKX' WHERE user_ptr_id = 9001010"),
    ],
    "inviter": lambda old: old.run("UPDATE users_customer SET inviter = 9001002 WHERE user_ptr_id = 9001010"),
    "phone_number": lambda old: old.run("UPDATE users_customer SET phone_number = 'call me' WHERE user_ptr_id = 9001010"),
    "gender": lambda old: old.run("UPDATE users_customer SET gender = 'Z' WHERE user_ptr_id = 9001010"),
    "language": lambda old: old.run("UPDATE users_user SET language = 'tlh' WHERE id = 9001010"),
    "address": lambda old: old.insert("location_address", id=9000503, street="Nowhere 1", city="?", country_id="DE"),
    "id_taken": lambda old: UserFactory(pk=9001002),
    "username_collision": lambda old: UserFactory(username="person9001002"),
    "too_long": lambda old: [
        old.run("ALTER TABLE location_address ALTER city TYPE varchar(200)"),
        old.run("UPDATE location_address SET city = repeat('x', 101) WHERE id = 9000501"),
    ],
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_does_not_fit_stops_the_import(bring, old, record, problem):
    PROBLEMS[problem](old)
    before = everything()

    code, said = bring()
    assert (code, f"problem    {problem}: 1 rows" in said) == (1, True), said
    code, said = bring("--apply")

    assert (code, "Nothing was imported" in said) == (1, True), said
    assert (everything(), record.exists()) == (before, False)


def test_an_address_taken_here_by_another_login_collides(bring):
    UserFactory(email="ada@example.test")

    code, said = bring()

    assert (code, "problem    email_collision: 1 rows: 9001010" in said) == (1, True), said


@pytest.mark.parametrize("problem", ["country", "inviter", "phone_number", "gender", "language", "address"])
def test_values_can_be_dropped_on_request(bring, old, problem):
    PROBLEMS[problem](old)

    code, said = bring("--apply", "--drop", problem)

    assert (code, f"{problem} dropped: 1" in said) == (0, True), said
    ada = Customer.objects.get(pk=9001010)
    kept = {"country": "DE", "inviter": 9001012, "phone_number": "+4930901820", "gender": "F", "language": "en"}
    found = {
        "country": ada.country_id,
        "inviter": ada.inviter_id,
        "phone_number": ada.phone_number and str(ada.phone_number),
        "gender": ada.gender,
        "language": ada.language,
    }
    assert found == {**kept, **({problem: {"gender": "NS", "language": "en"}.get(problem)} if problem in kept else {})}
    assert not Address.objects.filter(pk=9000503).exists()


def test_a_primary_address_that_stays_behind_is_one_no_longer(bring, old):
    old.insert("location_country", code="ZZ", name="?")
    old.run("UPDATE location_address SET country_id = 'ZZ' WHERE id = 9000501")

    code, said = bring()
    assert (code, "problem    address: 1 rows: 9000501" in said) == (1, True), said

    assert bring("--apply", "--drop", "address")[0] == 0
    assert (Customer.objects.get(pk=9001010).primary_address, Address.objects.count()) == (None, 1)


def test_passwords_nobody_can_read_are_counted(bring, old):
    old.user(9001100, password="bcrypt_old$abc")

    code, said = bring()

    assert (code, "passwords that must be reset: 1" in said) == (0, True), said


def test_undo_deletes_exactly_what_the_import_created(bring, record):
    mine = CustomerFactory(user__email="mine@example.test")
    before = everything()
    assert bring("--apply")[0] == 0

    code, said = bring("--undo")

    assert (code, "Everything that the import created is gone." in said) == (0, True), said
    assert everything() == before
    assert Customer.objects.get() == mine
    assert bring("--apply")[0] == 0
    assert User.objects.count() == 37


def refer_client(account):
    ClientFactory(account=account, customer=Customer.objects.get(pk=9001010))


def refer_membership(account):
    MembershipFactory(account=account, user_id=9001010)


def refer_token(account):
    token_for(User.objects.get(pk=9001010))


def refer_change(account):
    customer = Customer.objects.get(pk=9001010)
    customer.full_name = "Ada Lovelace"
    customer.save()


def refer_login_change(account):
    User.objects.get(pk=9001010).save()


def refer_invitee(account):
    CustomerFactory(inviter_id=9001010)


def refer_event(account):
    with account_scope(account), acting(9001010, "staff"):
        emit("account.changed", account, account_id=account.pk)


def refer_group(account):
    User.objects.get(pk=9001010).groups.create(name="editors")


@pytest.mark.parametrize(
    "refer", [refer_client, refer_membership, refer_token, refer_change, refer_login_change, refer_invitee, refer_event, refer_group]
)
def test_undo_leaves_whoever_is_in_use_whole(bring, imported, account, refer):
    refer(account)
    kept = {9001010, 9001012}  # Ada, and Grace who invited her
    ada = {name: [row for row in found if row.get("user_id", row["id"]) in kept] for name, found in everything().items()}

    code, said = bring("--undo")

    assert (code, "left over  users_customer: 9001010, 9001012" in said) == (1, True), said
    left = {name: [row for row in found if row.get("user_id", row["id"]) in kept] for name, found in everything().items()}
    # The admin wrote Ada's history and stays for it.
    assert left == ada
    assert set(User.objects.filter(pk__range=(9001000, 9001050)).values_list("pk", flat=True)) == {9001001, *kept}
    assert bring("--undo")[0] == 1


def test_undo_without_a_record_is_refused(bring, record):
    code, said = bring("--undo")

    assert (code, "There is no record" in said) == (1, True)


@pytest.mark.parametrize("text", ['{"kind": "reassign_packages"}\n', "[]\n", "nonsense\n", '{"kind": "import_mti_customers"}\n{"x": 1}\n'])
def test_a_file_that_is_no_record_is_refused(bring, record, text):
    record.write_text(text)

    assert bring("--apply")[0] == 1
    assert (counts(), record.read_text()) == (NONE, text)


def test_half_a_line_of_a_killed_process_is_passed_over(record):
    ImportRecord(record).created("users_user", [1, 2])
    with record.open("a") as file:
        file.write('{"table": "users_user", "crea')

    again = ImportRecord(record)
    again.created("users_user", [3])

    assert again.ids == ImportRecord(record).ids == {"users_user": {1, 2, 3}}


def test_the_import_is_not_called_done_when_the_sides_differ(bring, monkeypatch, record):
    digests = service._digests
    monkeypatch.setattr(service, "_digests", lambda *args: (digests(*args)[0], "another"))

    code, said = bring("--apply")

    assert (code, "Not done" in said) == (1, True)
    assert not ImportRecord(record).finished


def test_the_digest_sees_a_link_that_is_wrong(old, imported):
    with opened(old.dsn) as source:
        before, after = service._digests(People(source), 10)
        assert before == after
        Customer.objects.filter(pk=9001020).update(user_id=9001002)
        assert service._digests(People(source), 10) != (before, after)


def test_the_old_database_is_only_read(old):
    with opened(old.dsn) as source, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        source.connection.execute("DELETE FROM payment_wallet")


def test_the_reading_is_one_snapshot(old):
    with opened(old.dsn) as source:
        before = source.count("users_user")
        old.user(9001100)

        assert source.count("users_user") == before


@pytest.mark.parametrize("dsn", ["postgresql://nobody:s3cret@/nowhere?host=/nonexistent", "s3cret", "postgresql://a:s3cret@[broken/x"])
def test_a_database_that_cannot_be_reached_is_said_without_the_password(run, record, dsn):
    code, said = run("import_mti_customers", "--source", dsn, "--record", record)

    assert (code, "s3cret" in said, "old database" in said) == (1, False, True)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE users_customer RENAME user_ptr_id TO user_id",
        "ALTER TABLE users_user DROP COLUMN password",
        "DROP TABLE users_customer CASCADE",
        "DROP TABLE location_address CASCADE",
    ],
)
def test_another_schema_is_refused(bring, old, change):
    old.run(change)

    code, said = bring("--apply")

    assert (code, "not a database of the old project" in said) == (1, True), said


@pytest.mark.parametrize("missing", ["account_emailaddress", "users_historicalcustomer", "payment_wallet"])
def test_tables_that_an_old_project_may_lack(bring, old, missing):
    old.run(f"DROP TABLE {missing}")

    code, said = bring("--apply")

    assert code == 0, said
    assert User.objects.count() == 36


def test_one_run_at_a_time(bring):
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('import_mti_customers', 0))")

        assert bring("--apply") == (1, "Another run of import_mti_customers is under way.")


@pytest.mark.parametrize("options", [[], ["--undo", "--source", "x"]])
def test_unclear_orders_are_refused(run, record, options):
    assert run("import_mti_customers", "--record", record, *options)[0] == 1


def test_import_people_raises_for_problems(old, record):
    old.user(9001100, "ADA@example.test")

    with opened(old.dsn) as source, pytest.raises(Invalid):
        service.import_people(People(source), ImportRecord(record), say=str)
