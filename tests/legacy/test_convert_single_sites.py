"""convert_single_sites: a database in which a customer has one site, into the junction and back again (source 003)."""

from uuid import UUID

import psycopg
import pytest

from apps.core.tenancy import account_scope
from apps.sites.models import Site, SiteOwnership
from apps.sites.services import add_site_to_customer, create_site, set_primary_site, update_site
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.bookings.life import broken
from tests.security.worlds import digest

pytestmark = pytest.mark.django_db

SCHEMA = """
DROP TABLE IF EXISTS customer_users; DROP TABLE IF EXISTS sites;
CREATE TABLE sites (id uuid PRIMARY KEY, slug varchar(255), site_title varchar(255), site_url text, status varchar(50),
                    subscription_status varchar(50), monthly_amount numeric(10, 2));
CREATE TABLE customer_users (id uuid PRIMARY KEY, email varchar(255), site_id uuid, created_at timestamp);
"""
SITE = "INSERT INTO sites VALUES (%s, %s, %s, %s, %s, %s, %s)"
PERSON = "INSERT INTO customer_users VALUES (%s, %s, %s, '2026-01-20 10:00:00')"


def uid(number: int) -> str:
    return str(UUID(int=number))


@pytest.fixture
def dsn(_old_database):
    """Three sites: Joe and Ann share the first, nobody has the second, the third is archived and Joe's second login's."""
    with psycopg.connect(_old_database) as connection:
        connection.execute(SCHEMA)
        connection.execute(
            SITE, [uid(1), "plumber-joe", "Joe's Plumbing", "https://sites.example.test/plumber-joe", "active", "active", "99.00"]
        )
        connection.execute(SITE, [uid(2), "roofer-bob", None, None, None, None, "129.995"])
        connection.execute(SITE, [uid(3), "baker-eve", "Eve", "", "archived", "cancelled", None])
        for number, (email, site) in enumerate([("Joe@Example.test", 1), ("ann@example.test", 1), ("eve@example.test", 3)], start=11):
            connection.execute(PERSON, [uid(number), email, uid(site)])
        connection.execute(PERSON, [uid(20), "visitor@example.test", None])
    yield _old_database
    with psycopg.connect(_old_database) as connection:
        connection.execute("DROP TABLE customer_users; DROP TABLE sites")


@pytest.fixture
def people(account):
    names = ("joe", "ann", "eve")
    return {name: ClientFactory(account=account, customer=CustomerFactory(user__email=f"{name}@example.test")).customer for name in names}


@pytest.fixture
def command(run, dsn, tmp_path):
    plan = tmp_path / "plan.json"

    def call(*options):
        return run("convert_single_sites", *(options or ["--source", dsn, "--account", "berlin", "--plan", plan]))

    call.plan = plan
    return call


def junction(account):
    with account_scope(account):
        rows = SiteOwnership.objects.select_related("site", "customer__user").order_by("customer__user__email")
        return [(row.customer.user.email, row.site.slug, row.is_primary, row.acquired_at.isoformat()) for row in rows]


def test_the_dry_run_writes_a_plan_and_nothing_else(command, account, people):
    before = digest(account)

    code, said = command()

    assert code == 0, said
    assert "3 sites, 3 ownerships, 0 rows left over" in said
    assert digest(account) == before
    assert "@" not in command.plan.read_text(), "ids only"
    assert command()[0] == 1, "a plan is not overwritten"


def test_applied_the_junction_says_what_the_column_said_and_undone_all_is_as_before(command, account, people):
    before = digest(account)
    command()

    assert command("--apply", command.plan) == (0, "Brought: 6. Already so: 0. Left over: 0.\n")

    since = "2026-01-20T10:00:00+00:00"
    assert junction(account) == [
        ("ann@example.test", "plumber-joe", True, since),
        ("eve@example.test", "baker-eve", False, since),
        ("joe@example.test", "plumber-joe", True, since),
    ]
    with account_scope(account):
        sites = {
            str(s.site_id): (s.slug, s.site_title, s.status, s.subscription_status, s.monthly_amount_cents) for s in Site.objects.all()
        }
    assert sites == {
        uid(1): ("plumber-joe", "Joe's Plumbing", "active", "active", 9900),
        uid(2): ("roofer-bob", "roofer-bob", "active", "none", 13000),
        uid(3): ("baker-eve", "Eve", "archived", "cancelled", 9900),
    }
    assert broken("I22", "I23", "I23.clients", "I18.sites") == {}
    assert command("--apply", command.plan) == (0, "Brought: 0. Already so: 6. Left over: 0.\n")

    assert command("--undo", command.plan) == (0, "Taken away: 6. Already so: 0. Left over: 0.\n")

    after = digest(account)
    logs = {"core_event", "sites_historicalsite", "sites_historicalsiteownership"}
    assert {table for table in after if after[table] != before[table]} <= logs
    assert (junction(account), command("--undo", command.plan)[0]) == ([], 0)


def test_what_was_changed_since_is_left_over_by_undo(command, account, people):
    command()
    command("--apply", command.plan)
    with account_scope(account):
        second = create_site(account_id=account.pk, slug="second", site_title="Second")
        SiteOwnership.objects.filter(customer=people["ann"]).update(ended_at="2026-06-01T00:00:00Z", is_primary=False)
        update_site(Site.objects.get(slug="roofer-bob"), site_title="Changed")

    code, said = command("--undo", command.plan)

    assert code == 1
    assert f"left over  {uid(1)}  changed" in said
    assert f"left over  {uid(1)}  in_use" in said
    assert [row[0] for row in junction(account)] == ["ann@example.test"]
    with account_scope(account):
        assert list(Site.objects.order_by("slug").values_list("slug", flat=True)) == ["plumber-joe", second.slug]


def test_rows_that_do_not_fit_are_left_over_with_their_reason(command, account, people, dsn):
    with account_scope(account):
        create_site(account_id=account.pk, slug="roofer-bob", site_title="Ours")
    with psycopg.connect(dsn) as old:
        old.execute(SITE, [uid(4), "two words", "x", "", "active", "none", "1"])
        old.execute(SITE, [uid(5), "bad-address", "x", "javascript:alert(1)", "active", "none", "1"])
        old.execute(SITE, [uid(6), "bad-state", "x", "", "melted", "none", "1"])
        old.execute(PERSON, [uid(30), "stranger@example.test", uid(1)])
        old.execute(PERSON, [uid(31), "joe@example.test", uid(2)])

    code, said = command()

    assert code == 1
    found = {tuple(line.split()[2:4]) for line in said.splitlines() if line.startswith("left over")}
    assert found == {
        (uid(2), "slug_taken"),
        (uid(4), "bad_value"),
        (uid(5), "bad_value"),
        (uid(6), "bad_value"),
        (uid(30), "no_client"),
        (uid(31), "no_site"),
    }


def test_an_owner_who_has_a_site_here_keeps_the_primary_one(command, account, people):
    command()
    with account_scope(account):
        mine = create_site(account_id=account.pk, slug="mine", site_title="Mine")
        add_site_to_customer(mine, customer=people["joe"])
        command("--apply", command.plan)
        set_primary_site(Site.objects.get(slug="plumber-joe"), customer=people["joe"])
    command("--undo", command.plan)

    assert [(slug, primary) for _, slug, primary, _ in junction(account)] == [("mine", True)]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"kind": "reassign_packages"}', '{"kind": "convert_single_sites", "account_id": "x"}']
)
def test_a_file_that_is_no_plan_is_refused(run, tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)

    assert run("convert_single_sites", "--apply", path)[0] == 1


@pytest.mark.parametrize("options", [[], ["--account", "berlin"], ["--source", "x", "--apply", "y"]])
def test_options_that_do_not_belong_together_are_refused(db, run, options):
    assert run("convert_single_sites", *options)[0] == 1


def test_a_database_of_something_else_is_refused(command, dsn, people):
    with psycopg.connect(dsn) as old:
        old.execute("ALTER TABLE customer_users DROP COLUMN site_id")

    code, said = command()

    assert (code, "lacks customer_users.site_id" in said) == (1, True)
    assert not command.plan.exists()
