"""SameAccount, TenantKey and TenantPolicies: real in the database, for every model, and reversible."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.migrations.state import ProjectState
from django.db.models import F, ForeignKey, UniqueConstraint
from psycopg.errors import ForeignKeyViolation

from apps.core.constraints import KnownInAccount, SameAccount, TenantKey
from apps.core.db import constraint_name, rows
from apps.core.models import TenantForeignKey
from apps.core.operations import BY_ACCOUNTS, TenantPolicies
from apps.core.tenancy import account_scope, platform_scope
from apps.packages.models import Package, PackageItem
from tests.security.worlds import is_historical, tenant_models, thaw

quote = connection.ops.quote_name


def _all(kind: type) -> list[tuple[type, object]]:
    return [(model, one) for model in tenant_models() for one in model._meta.constraints if type(one) is kind]


def _constraint_id(value):
    return getattr(value, "name", None) or value.__name__


def _loosen(model: type) -> None:
    """Take every other refusal off the table for this transaction: checks, exclusions and unique rules."""
    table = quote(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for (name,) in rows("SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'x')", [table]):
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {quote(name)}")
    thaw(model._meta.db_table)


def _point_elsewhere(model: type, field: str, at: object, value: object) -> None:
    column = quote(model._meta.get_field(field).column)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {quote(model._meta.db_table)} SET {column} = %s WHERE id = %s", [value, at.pk])
        assert cursor.rowcount == 1


@pytest.mark.parametrize(("model", "constraint"), _all(SameAccount), ids=_constraint_id)
def test_a_row_that_points_into_another_account_cannot_be_stored(two_worlds, model, constraint):
    ours, theirs = two_worlds
    target = model._meta.get_field(constraint.field).related_model

    with platform_scope("even where the policies let everything through"), transaction.atomic():
        _loosen(model)
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            _point_elsewhere(model, constraint.field, ours.of(model), theirs.of(target).pk)
        _point_elsewhere(model, constraint.field, ours.of(model), ours.of(target).pk)  # the control
        transaction.set_rollback(True)

    assert refused.value.__cause__.sqlstate == ForeignKeyViolation.sqlstate
    assert constraint_name(refused.value) == constraint.name


@pytest.mark.parametrize(("model", "constraint"), _all(SameAccount), ids=_constraint_id)
def test_the_composite_key_is_in_the_catalogue_at_once_and_validated(db, model, constraint):
    target = model._meta.get_field(constraint.field).related_model._meta.db_table
    definition, deferrable, validated = rows(
        "SELECT pg_get_constraintdef(oid), condeferrable, convalidated FROM pg_constraint WHERE conname = %s AND conrelid = %s::regclass",
        [constraint.name, model._meta.db_table],
    )[0]

    column = model._meta.get_field(constraint.field).column
    assert definition == f"FOREIGN KEY (account_id, {column}) REFERENCES {target}(account_id, id)"
    assert (deferrable, validated) == (False, True)


@pytest.mark.parametrize(("model", "constraint"), _all(TenantKey), ids=_constraint_id)
def test_the_tenant_key_is_in_the_catalogue(db, model, constraint):
    found = rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [constraint.name])

    assert found == [("UNIQUE (account_id, id)",)]


@pytest.mark.parametrize("model", dict.fromkeys(model for model, _ in _all(SameAccount)), ids=_constraint_id)
def test_a_row_that_refers_to_others_cannot_be_given_to_another_account(two_worlds, model):
    """A row without references could be: the policies stop that for everybody but the platform."""
    ours, theirs = two_worlds
    thaw(model._meta.db_table)
    references = [one.field for one in model._meta.constraints if isinstance(one, SameAccount)]
    if not any(getattr(ours.of(model), model._meta.get_field(name).attname) for name in references):
        name = references[0]  # all of them may be empty: fill one
        with platform_scope("fill"):
            _point_elsewhere(model, name, ours.of(model), ours.of(model._meta.get_field(name).related_model).pk)
    move = f"UPDATE {quote(model._meta.db_table)} SET account_id = %s WHERE {quote(model._meta.pk.column)} = %s RETURNING 1"

    with platform_scope("move"), pytest.raises(IntegrityError), transaction.atomic():
        rows(move, [theirs.account.pk, ours.of(model).pk])


def test_the_constraint_is_added_and_removed_by_the_schema_editor(two_worlds):
    ours, theirs = two_worlds
    (constraint,) = (one for one in PackageItem._meta.constraints if getattr(one, "field", "") == "service")
    item, service = ours.of(PackageItem), theirs.rows[apps.get_model("catalog.Service")]

    with platform_scope("schema"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with connection.schema_editor() as editor:
            editor.remove_constraint(PackageItem, constraint)
        assert rows("SELECT 1 FROM pg_constraint WHERE conname = %s", [constraint.name]) == []
        with transaction.atomic():  # the negative control: without the key the foreign row is stored
            _point_elsewhere(PackageItem, "service", item, service.pk)
            transaction.set_rollback(True)
        with connection.schema_editor() as editor:
            editor.add_constraint(PackageItem, constraint)
        with pytest.raises(IntegrityError), transaction.atomic():
            _point_elsewhere(PackageItem, "service", item, service.pk)
        transaction.set_rollback(True)


def test_same_account_survives_its_own_description():
    constraint = SameAccount("service", name="x")
    path, args, kwargs = constraint.deconstruct()

    assert path == "apps.core.constraints.SameAccount"
    assert SameAccount(*args, **kwargs) == constraint
    assert constraint != SameAccount("package", name="x")
    assert constraint != SameAccount("service", name="y")
    assert len({constraint, SameAccount("service", name="x")}) == 1


@pytest.mark.parametrize(("model", "constraint"), _all(KnownInAccount), ids=_constraint_id)
def test_the_key_to_a_person_that_the_account_knows_is_checked_at_once_and_can_wait_for_a_merge(db, model, constraint):
    definition, deferrable, deferred, validated = rows(
        "SELECT pg_get_constraintdef(oid), condeferrable, condeferred, convalidated FROM pg_constraint WHERE conname = %s",
        [constraint.name],
    )[0]
    through, field = apps.get_model(constraint.through)._meta.db_table, model._meta.get_field(constraint.field).column

    mine = constraint.column or field
    assert definition == f"FOREIGN KEY (account_id, {mine}) REFERENCES {through}(account_id, {field}) DEFERRABLE"
    assert (deferrable, deferred, validated) == (True, False, True)


def test_known_in_account_survives_its_own_description():
    constraint = KnownInAccount("customer", through="clients.Client", column="current_customer", name="x")
    _, args, kwargs = constraint.deconstruct()

    assert KnownInAccount(*args, **kwargs) == constraint
    assert constraint != KnownInAccount("customer", through="clients.Client", name="x")
    assert constraint != SameAccount("customer", name="x")


def test_every_reference_between_tenant_models_is_guarded():
    """Each TenantForeignKey has its key, each key names a TenantForeignKey, each target can be a target."""
    for model in tenant_models():
        references = {f.name for f in model._meta.local_concrete_fields if isinstance(f, TenantForeignKey)}
        if is_historical(model):
            continue  # a history keeps what was, also when the other row is gone
        guarded = {one.field for one in model._meta.constraints if type(one) is SameAccount}
        assert guarded == references, model
        for name in references:
            target = model._meta.get_field(name).related_model
            assert [one for one in target._meta.constraints if isinstance(one, TenantKey)], target
        plain = [
            f.name
            for f in model._meta.local_concrete_fields
            if isinstance(f, ForeignKey) and not isinstance(f, TenantForeignKey) and f.related_model in tenant_models()
        ]
        assert plain == [], model


def test_unique_rules_of_tenant_models_hold_inside_an_account():
    """A rule over all accounts would tell one of them what another has."""
    for model in tenant_models():
        assert [f.name for f in model._meta.local_concrete_fields if f.unique and not f.primary_key] == [], model
        for constraint in model._meta.constraints:
            if isinstance(constraint, UniqueConstraint):
                named = {e.name for e in constraint.expressions if isinstance(e, F)} | set(constraint.fields)
                inside = {name for name in named if name == "account" or isinstance(model._meta.get_field(name), TenantForeignKey)}
                assert inside, constraint.name


# -- policies


def _policies(table: str) -> set[tuple[str, str]]:
    return set(rows("SELECT polname::text, polcmd::text FROM pg_policy WHERE polrelid = %s::regclass", [table]))


def _security(table: str) -> tuple[bool, bool]:
    return rows("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", [table])[0]


def test_tenant_policies_go_back_and_forth(two_worlds):
    ours, _ = two_worlds
    operation, table = TenantPolicies("Package", reads={"customer_accounts": BY_ACCOUNTS}), "packages_package"
    state = ProjectState.from_apps(apps)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    before = _policies(table)
    assert before == {("tenant", "*"), ("customer_accounts", "r")}
    assert _security(table) == (True, True)

    with transaction.atomic():
        with connection.schema_editor() as editor:
            operation.database_backwards("packages", editor, state, state)
        assert (_policies(table), _security(table)) == (set(), (False, False))
        assert Package._base_manager.count() >= 2  # without policies everything is in sight: what the guard guards

        with connection.schema_editor() as editor:
            operation.database_forwards("packages", editor, state, state)
        assert (_policies(table), _security(table)) == (before, (True, True))
        assert Package._base_manager.count() == 0
        with account_scope(ours.account):
            assert set(Package._base_manager.values_list("account_id", flat=True)) == {ours.account.pk}
        transaction.set_rollback(True)


def test_tenant_policies_survive_their_own_description():
    operation = TenantPolicies("Package", "PackageItem", reads={"own": "true"})
    name, args, kwargs = operation.deconstruct()

    assert (name, args, kwargs) == ("TenantPolicies", ["Package", "PackageItem"], {"reads": {"own": "true"}})
    assert TenantPolicies("Package").deconstruct() == ("TenantPolicies", ["Package"], {})
    assert operation.reversible
    assert "Package, PackageItem" in operation.describe()


def test_every_table_has_the_tenant_policy_with_the_same_words(db):
    found = rows(
        "SELECT DISTINCT pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polname = 'tenant'"
    )
    tables = rows("SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'tenant'")

    assert len(found) == 1
    assert found[0][0] == found[0][1]
    assert {name for (name,) in tables} == {model._meta.db_table for model in tenant_models()}


def test_every_other_policy_opens_reads_only(db):
    others = rows("SELECT polrelid::regclass::text, polname::text, polcmd::text FROM pg_policy WHERE polname <> 'tenant'")

    assert [row for row in others if row[2] != "r"] == []
