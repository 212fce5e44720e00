"""Packages that an old migration put under the wrong account (source 000)."""

import json

import psycopg
import pytest
from django.db import connection

from apps.accounts.models import Account
from apps.core.db import rows
from apps.core.doctor import findings
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.legacy.services import packages as service
from apps.legacy.services.packages import LeftOver, Move, apply_moves, plan_moves
from apps.packages.models import Package, PackageItem
from apps.packages.services import update_package
from factories.accounts import AccountFactory, MembershipFactory
from factories.catalog import ServiceFactory
from factories.packages import PackageFactory, PackageItemFactory
from tests.studio import open_studio

pytestmark = pytest.mark.django_db


@pytest.fixture
def target():
    target = AccountFactory(name="Hamburg Studio", slug="hamburg")
    MembershipFactory(account=target)
    return target


@pytest.fixture
def stray(account, target):
    """A package of two items under ``account``; both services exist in ``target`` under the same names."""
    MembershipFactory(account=account)
    package = PackageFactory(account=account, package_name="Gold", description="Twelve weeks")
    for position, name in enumerate(["Massage", "Coaching"], start=1):
        item = PackageItemFactory(
            account=account, package=package, service=ServiceFactory(account=account, name=name), quantity=position, position=position
        )
        ServiceFactory(account=target, name=item.service.name)
    return package


@pytest.fixture
def plan(tmp_path):
    return tmp_path / "plan.json"


def content(package):
    """Account, columns and items of a package as the database has them."""
    with platform_scope("test"):
        found = Package.objects.get(pk=package.pk)
        items = list(found.items.order_by("position").values_list("pk", "account_id", "service__account_id", "service__name", "quantity"))
        return found.account_id, found.package_name, found.description, found.price_cents, items


def everything():
    with platform_scope("test"):
        return [list(model._base_manager.order_by("pk").values()) for model in (Package, PackageItem, Package.history.model, Event)]


def only(source, target, *packages, **options):
    return plan_moves(source=source, targets={package.pk: target for package in packages}, **options)


def reasons(left_over):
    return [(one.package_id, one.reason) for one in left_over]


def test_dry_run_changes_nothing_and_writes_the_plan(run, account, target, stray, plan):
    before = everything()

    code, said = run("reassign_packages", "--from", "berlin", "--package", stray.pk, "--to", "hamburg", "--plan", plan)

    assert code == 0, said
    assert f"can move   package {stray.pk}  berlin → hamburg" in said
    assert everything() == before
    [move] = json.loads(plan.read_text())["moves"]
    assert (move["before"]["account_id"], move["after"]["account_id"]) == (account.pk, target.pk)
    assert move["before"]["package_name"] == move["after"]["package_name"] == "Gold"


def test_apply_moves_the_package_whole_and_undo_moves_it_back(run, account, target, stray, plan):
    before = content(stray)
    run("reassign_packages", "--from", "berlin", "--package", stray.pk, "--to", "hamburg", "--plan", plan)

    code, said = run("reassign_packages", "--apply", plan)

    assert (code, f"Moved 1: {stray.pk}. Already there: 0. Left over: 0." in said) == (0, True), said
    ids = [item[0] for item in before[4]]
    assert content(stray) == (
        target.pk,
        "Gold",
        "Twelve weeks",
        10000,
        [(ids[0], target.pk, target.pk, "Massage", 1), (ids[1], target.pk, target.pk, "Coaching", 2)],
    )

    code, said = run("reassign_packages", "--undo", plan)

    assert (code, f"Moved back 1: {stray.pk}" in said) == (0, True), said
    assert content(stray) == before


def test_apply_twice_moves_once(run, target, stray, plan):
    run("reassign_packages", "--from", "berlin", "--package", stray.pk, "--to", "hamburg", "--plan", plan)
    run("reassign_packages", "--apply", plan)
    before = everything()

    code, said = run("reassign_packages", "--apply", plan)

    assert (code, "Moved 0: none. Already there: 1" in said) == (0, True)
    assert everything() == before


def test_each_account_sees_its_own_part_of_the_story(account, target, stray):
    apply_moves(only(account, target, stray).moves)

    for owner, kinds, there in ((account, ["+", "-"], False), (target, ["+"], True)):
        with account_scope(owner):
            assert Package.objects.filter(pk=stray.pk).exists() is there
            assert PackageItem.objects.filter(package_id=stray.pk).count() == (2 if there else 0)
            history = Package.history.model.objects.filter(id=stray.pk).order_by("history_id")
            assert list(history.values_list("history_type", flat=True)) == kinds
            event = Event.objects.get(type="package.moved")
            assert (event.subject_id, event.changes, event.account_id) == (stray.pk, {"account": [account.pk, target.pk]}, owner.pk)
            assert {pk for (pk,) in rows("SELECT account_id FROM packages_package")} <= {owner.pk}
    with platform_scope("test"):
        assert [one.code for one, found in findings() if found] == []


def test_members_of_the_target_see_the_package_and_those_of_the_source_no_longer(client_as, account, target, stray):
    apply_moves(only(account, target, stray).moves)

    assert client_as("owner", target).get(f"/api/packages/{stray.pk}/").json()["account_name"] == "Hamburg Studio"
    assert client_as("owner", account).get(f"/api/packages/{stray.pk}/").status_code == 404


def test_what_cannot_move_is_left_over_with_the_reason(run, account, target, stray, tmp_path, plan):
    taken = PackageFactory(account=account, package_name="Silver")
    PackageFactory(account=target, package_name="Silver")
    sold = open_studio(account)
    ServiceFactory(account=target, name=sold.service.name)
    sold.sell()
    lacking = PackageFactory(account=account)
    for name in ("Yoga", "Sauna"):
        PackageItemFactory(account=account, package=lacking, service=ServiceFactory(account=account, name=name))
    foreign = PackageFactory(account=target)
    before = [content(one) for one in (taken, sold.package, lacking, foreign)]
    mapping = tmp_path / "map.csv"
    packages = [stray, taken, sold.package, lacking, foreign]
    mapping.write_text("package,account\n" + "".join(f"{one.pk}, hamburg\n" for one in packages))

    code, said = run("reassign_packages", "--from", "berlin", "--map", mapping, "--plan", plan)

    assert code == 1
    assert f"left over  package {taken.pk}  name_taken: Silver" in said
    assert f"left over  package {sold.package.pk}  in_use: order" in said
    assert f"left over  package {lacking.pk}  services_missing: Sauna, Yoga" in said
    assert f"left over  package {foreign.pk}  not_found" in said

    code, said = run("reassign_packages", "--apply", plan)

    assert (code, f"Moved 1: {stray.pk}. Already there: 0. Left over: 4." in said) == (1, True), said
    assert content(stray)[0] == target.pk
    assert [content(one) for one in (taken, sold.package, lacking, foreign)] == before


def test_price_in_another_currency_stays_unless_accepted(account, other_account):
    priced, free = PackageFactory(account=account), PackageFactory(account=account, price_cents=0)

    plan = only(account, other_account, priced, free)

    assert reasons(plan.left_over) == [(priced.pk, "currency")]
    assert [move.package_id for move in plan.moves] == [free.pk]
    accepted = only(account, other_account, priced, any_currency=True)
    assert apply_moves(accepted.moves).moved == [priced.pk]
    assert apply_moves([move.reversed() for move in accepted.moves]).moved == [priced.pk]


@pytest.mark.parametrize("change", ["name", "items", "service", "sold", "gone", "name taken", "currency"])
def test_rows_that_changed_since_the_plan_are_refused(account, target, change):
    studio = open_studio(account)
    there = ServiceFactory(account=target, name=studio.service.name)
    [move] = only(account, target, studio.package).moves
    with account_scope(account):
        if change == "name":
            update_package(studio.package, package_name="Renamed")
        elif change == "items":
            update_package(studio.package, items=[{"service": studio.service, "quantity": 4}])
        elif change == "sold":
            studio.sell()
        elif change == "gone":
            studio.package.delete()
    if change == "service":
        with account_scope(target):
            there.delete()
        ServiceFactory(account=target, name=studio.service.name)
    elif change == "name taken":
        PackageFactory(account=target, package_name=studio.package.package_name)
    elif change == "currency":
        Account.objects.filter(pk=target.pk).update(currency="CHF")
    before = everything()

    outcome = apply_moves([move])

    expected = {"sold": "in_use", "gone": "not_found", "name taken": "name_taken"}.get(change, "changed")
    assert (outcome.moved, reasons(outcome.left_over)) == ([], [(move.package_id, expected)])
    assert everything() == before


def test_undo_refuses_what_was_sold_or_edited_in_the_meantime(account, target):
    sold, edited = open_studio(account), PackageFactory(account=account)
    ServiceFactory(account=target, name=sold.service.name)
    moves = only(account, target, sold.package, edited).moves
    apply_moves(moves)
    there = open_studio(target)
    with account_scope(target):
        there.sell(package=Package.objects.get(pk=sold.package.pk))
        update_package(Package.objects.get(pk=edited.pk), price_cents=1)

    outcome = apply_moves([move.reversed() for move in moves])

    assert reasons(outcome.left_over) == [(sold.package.pk, "in_use"), (edited.pk, "changed")]
    assert {content(sold.package)[0], content(edited)[0]} == {target.pk}


@pytest.mark.parametrize(("blind", "reason"), [("name", "name_taken"), ("orders", "in_use")])
def test_the_database_refuses_what_the_check_has_not_seen(account, target, monkeypatch, blind, reason):
    """As when somebody sells the package, or takes its name, between the check and the move."""
    studio = open_studio(account)
    ServiceFactory(account=target, name=studio.service.name)
    [move] = only(account, target, studio.package).moves
    monkeypatch.setattr(service, "_prepare", lambda *args: move)
    if blind == "name":
        PackageFactory(account=target, package_name=studio.package.package_name)
    else:
        studio.sell()
    before = everything()

    outcome = apply_moves([move])

    assert reasons(outcome.left_over) == [(studio.package.pk, reason)]
    assert everything() == before


def test_the_default_source_is_account_1_and_is_named(run, target, plan):
    assert run("reassign_packages", "--package", 5, "--to", "hamburg", "--plan", plan) == (
        1,
        "There is no account 1: name one with --from.",
    )

    first = AccountFactory(pk=1, slug="first")
    package = PackageFactory(account=first)
    code, said = run("reassign_packages", "--package", package.pk, "--to", "hamburg", "--plan", plan)

    assert code == 0
    assert "From: first (account 1, the default; --from names another)" in said


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("7,hamburg\n7,munich\n", "two accounts"),
        ("7,nowhere\n", "no account nowhere"),
        ("7,closed\n", "closed is closed"),
        ("7,berlin\n", "where it comes from"),
        ("7\n", "line 1"),
        ("7,hamburg\nx,hamburg\n", "line 2"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused_as_a_whole(run, account, target, tmp_path, plan, lines, says):
    AccountFactory(slug="munich")
    AccountFactory(slug="closed", status="closed")
    mapping = tmp_path / "map.csv"
    mapping.write_text(lines)

    code, said = run("reassign_packages", "--from", "berlin", "--map", mapping, "--plan", plan)

    assert (code, says in said, plan.exists()) == (1, True, False), said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--package", "5"],
        ["--map", "x.csv", "--package", "5", "--to", "hamburg"],
        ["--map", "missing.csv"],
        ["--apply", "p.json", "--from", "berlin"],
        ["--apply", "missing.json"],
    ],
)
def test_unclear_orders_are_refused(run, account, target, arguments):
    source = [] if "--apply" in arguments else ["--from", "berlin"]
    assert run("reassign_packages", *source, *arguments)[0] == 1


@pytest.mark.parametrize(
    "text", ["{}", "[]", "nonsense", '{"kind": "other"}', '{"kind": "reassign_packages", "moves": [{"package_id": 1}]}']
)
def test_a_file_that_is_no_plan_is_refused(run, plan, text):
    plan.write_text(text)

    assert run("reassign_packages", "--apply", plan)[0] == 1


def test_a_plan_is_not_overwritten(run, target, stray, plan):
    plan.write_text("{}")

    assert run("reassign_packages", "--from", "berlin", "--package", stray.pk, "--to", "hamburg", "--plan", plan)[0] == 1
    assert plan.read_text() == "{}"


def test_two_runs_do_not_overlap(run, target, stray, plan):
    arguments = ["reassign_packages", "--from", "berlin", "--package", stray.pk, "--to", "hamburg", "--plan", plan]
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('reassign_packages', 0))")
        code, said = run(*arguments)
        other.execute("SELECT pg_advisory_unlock_all()")

    assert (code, said) == (1, "Another run of reassign_packages is under way.")
    assert run(*arguments)[0] == 0


def test_a_pooler_is_refused(run, stray, target, plan, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)

    code, said = run("reassign_packages", "--from", "berlin", "--package", stray.pk, "--to", "hamburg", "--plan", plan)

    assert (code, "direct connection" in said) == (1, True)


def test_plan_survives_its_file():
    plan = service.Plan([Move(1, {"account_id": 1}, {"account_id": 2})], [LeftOver(3, "in_use", "order")])

    assert service.Plan.from_json(json.loads(json.dumps(plan.as_json()))) == plan
