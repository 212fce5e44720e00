"""The shape of the code, executed: what import-linter and ruff cannot see."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models
from simple_history.models import HistoricalChanges

from apps.accounts.api.doors import SessionDoor, StaffViewSet
from apps.accounts.models import Account
from apps.clients.api.doors import ClientDoor
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantHistory, TenantModel, TimestampedModel
from apps.users.api.doors import CustomerDoor
from tests.security.routes import NOT_DOORS, Route, all_patterns, call_id, calls, routes

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 500
# Rows that belong to nobody, or to a person across accounts (blueprint, Tenancy), and the histories of those.
GLOBAL = {
    "accounts.Account",
    "accounts.ApiToken",
    "accounts.HistoricalAccount",
    "location.Country",
    "notifications.Preference",
    "payments.Wallet",
    "users.Address",
    "users.Customer",
    "users.HistoricalCustomer",
    "users.HistoricalUser",
    "users.PersonExport",
    "users.User",
}
# Addresses below /api/ for whoever is signed in; every other one below it is for staff of one account.
SESSION = ("/api/auth/", "/api/me/", "/api/accounts/", "/api/invitations/accept/")


def _own_models() -> list[type[models.Model]]:
    return [m for m in apps.get_models() if m.__module__.startswith("apps.") or _app_of(m) in _floors()]


def _app_of(model: type[models.Model]) -> str:
    return model._meta.app_label


@cache
def _floors() -> dict[str, int]:
    """{app: floor}, 0 at the bottom; from the one place where the floor plan is written down."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (plan,) = [contract for contract in contracts if contract.get("containers") == ["apps"]]
    layers = list(reversed(plan["layers"]))
    return {name.strip("() "): floor for floor, layer in enumerate(layers) for name in layer.split("|")}


def _sources(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py") if "migrations" not in p.parts)


def _name(value: object) -> str:
    if isinstance(value, Path):
        return str(value.relative_to(ROOT))
    return value._meta.label if isinstance(value, type) and issubclass(value, models.Model) else str(value)


# -- models


def test_every_installed_app_of_ours_has_a_floor():
    assert {c.label for c in apps.get_app_configs() if c.name.startswith("apps.")} <= set(_floors())
    assert _floors()["core"] == 0
    assert _floors()["accounts"] < _floors()["packages"] == _floors()["scheduling"] < _floors()["checkout"]


@pytest.mark.parametrize("model", _own_models(), ids=_name)
def test_every_concrete_model_belongs_to_an_account_or_is_declared_global(model):
    if model._meta.label in GLOBAL:
        assert not issubclass(model, TenantModel | TenantHistory)
        return
    assert issubclass(model, TenantModel | TenantHistory), "make it a TenantModel, or say in GLOBAL that it belongs to no account"
    account = model._meta.get_field("account")
    assert (account.column, account.related_model) == ("account_id", Account)
    if issubclass(model, TenantModel):
        assert not account.null


def test_the_list_of_global_models_names_models_that_exist():
    assert {m._meta.label for m in _own_models()} >= GLOBAL


@pytest.mark.parametrize("model", _own_models(), ids=_name)
def test_every_model_carries_its_times(model):
    if issubclass(model, HistoricalChanges) or model._meta.label in ("location.Country", "accounts.ApiToken", "users.User"):
        return
    assert issubclass(model, TimestampedModel)


@pytest.mark.parametrize("model", _own_models(), ids=_name)
def test_every_foreign_key_points_down(model):
    floors, here = _floors(), _floors()[_app_of(model)]
    for field in model._meta.get_fields():
        if not isinstance(field, models.ForeignKey | models.ManyToManyField) or field.related_model is None:
            continue
        there = _app_of(field.related_model)
        if field.name == "account" and field.related_model is Account:
            continue  # the only reference upwards: TenantModel.account
        if there not in floors:
            assert there in ("auth", "contenttypes"), f"{model._meta.label}.{field.name} points out of the house, to {there}"
            continue
        same = there == _app_of(model)
        assert same or floors[there] < here, f"{model._meta.label}.{field.name} points up or sideways, to {there}"


@pytest.mark.parametrize("model", [m for m in _own_models() if issubclass(m, TenantModel)], ids=_name)
def test_references_between_rows_of_an_account_are_guarded_by_composite_keys(model):
    if model._meta.proxy:
        return
    constraints = model._meta.constraints
    for field in model._meta.local_fields:
        target = field.related_model
        if target is None or not issubclass(target, TenantModel):
            assert not isinstance(field, TenantForeignKey), field
            continue
        assert isinstance(field, TenantForeignKey), f"{field} must be a TenantForeignKey"
        assert field.db_constraint is False
        assert [c for c in constraints if isinstance(c, SameAccount) and c.field == field.name], f"{field} lacks its SameAccount"
        assert [c for c in target._meta.constraints if isinstance(c, TenantKey)], f"{target._meta.label} lacks its TenantKey"
    assert model._meta.local_many_to_many == [], "no automatic many-to-many between tenant tables"


@pytest.mark.parametrize("model", _own_models(), ids=_name)
def test_names_of_constraints_and_indexes_say_where_they_belong(model):
    prefix = f"{_app_of(model)}_{model._meta.model_name}_"
    if model._meta.proxy or issubclass(model, HistoricalChanges):
        return
    for one in [*model._meta.constraints, *model._meta.indexes]:
        assert one.name.startswith(prefix), one.name
        assert len(one.name) <= 63
    names = [one.name for m in _own_models() if not m._meta.proxy for one in [*m._meta.constraints, *m._meta.indexes]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", _own_models(), ids=_name)
def test_money_is_whole_cents(model):
    for field in model._meta.local_fields:
        assert not isinstance(field, models.FloatField), field
        if field.name.endswith("_cents"):
            assert isinstance(field, models.BigIntegerField | models.IntegerField), field
        if isinstance(field, models.DecimalField):
            assert field.name == "tax_rate", f"{field}: a rate may be a decimal, an amount is in cents"
        if isinstance(field, models.DateTimeField):
            assert field.db_type(_connection()) == "timestamp with time zone"


def _connection():
    from django.db import connection  # noqa: PLC0415  for the column type only; nothing is asked

    return connection


@pytest.mark.parametrize("model", _own_models(), ids=_name)
def test_every_model_says_what_it_is(model):
    if issubclass(model, HistoricalChanges):
        return
    assert model.__doc__
    assert not re.fullmatch(rf"{model.__name__}\(.*\)", model.__doc__.strip()), "Django's own docstring"
    assert "__str__" in {name for base in model.__mro__ if base.__module__.startswith("apps.") for name in vars(base)}


# -- doors


def _role_of(route: Route) -> str:
    if route.path.startswith("/api/customer/"):
        return "customer"
    if route.path.startswith("/api/public/"):
        return "public"
    return "session" if route.path.startswith(SESSION) else "staff"


@pytest.mark.parametrize("route", routes(), ids=call_id)
def test_the_prefix_the_folder_and_the_base_viewset_say_the_same_role(route):
    role = _role_of(route)

    assert route.view.role == role
    assert f".api.{role}." in route.view.__module__
    assert issubclass(route.view, StaffViewSet) is (role == "staff")
    if role == "session":
        assert issubclass(route.view, SessionDoor)
    assert issubclass(route.view, CustomerDoor) is (role == "customer")
    if role == "customer" and any(f.name == "client" for f in route.view.model._meta.fields):
        assert issubclass(route.view, ClientDoor), "rows of a client are behind the door that knows whose client the caller is"


def test_every_address_of_ours_is_a_door_with_a_trailing_slash_and_a_name():
    assert {path for path, _ in all_patterns() if path.startswith("/api/")} == {route.path for route in routes()} | NOT_DOORS
    for route in routes():
        assert route.path.endswith("/"), route
        assert route.basename, route
        assert re.fullmatch(r"/api/[a-z0-9{}/-]+(\.ics)?/", route.path), route


@pytest.mark.parametrize("view", sorted({r.view for r in routes()}, key=lambda v: v.__name__), ids=lambda v: v.__name__)
def test_no_view_reaches_around_its_door(view):
    from apps.core.api.doors import Door  # noqa: PLC0415  beside its use

    own = [base for base in view.__mro__ if base.__module__.startswith("apps.") and base is not Door]
    for base in own:
        assert not {"get_queryset", "queryset", "dispatch", "permission_classes", "authentication_classes"} & set(vars(base)), base
    assert view.filter_backends == ()
    assert "put" not in {method for route in routes() if route.view is view for method, _ in route.actions}


@pytest.mark.parametrize(("route", "method", "action"), calls(), ids=call_id)
def test_what_moves_money_or_claims_time_accepts_an_idempotency_key(route, method, action):
    moves = {"checkout", "client-package", "booking", "customer-booking", "occurrence", "payment"}
    moves_nothing = action == "add_document" or action.startswith("quote_")
    if method == "post" and route.basename in moves and not moves_nothing:
        assert action in route.view.idempotent


# -- source


@pytest.mark.parametrize("path", _sources("apps", "config", "factories", "tests", "examples", "benchmarks"), ids=_name)
def test_no_module_is_longer_than_it_can_be_read(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _is_domain(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return len(parts) > 2 and parts[2].removesuffix(".py") in ("models", "services", "selectors")


@pytest.mark.parametrize("path", [p for p in _sources("apps") if _is_domain(p)], ids=_name)
def test_the_domain_does_not_know_http(path):
    known = {name.partition(".")[0] for name in _imports(path)}

    assert not known & {"rest_framework", "drf_spectacular", "drf_standardized_errors", "knox_api"}
    assert not {name for name in _imports(path) if name.startswith("django.http") or ".api" in name}


@pytest.mark.parametrize("path", _sources("apps", "config"), ids=_name)
def test_shortcuts_that_open_doors_are_not_taken(path):
    tree, text = _tree(path), path.read_text()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in ("fields", "exclude") for t in node.targets):
            assert not (isinstance(node.value, ast.Constant) and node.value.value == "__all__"), f"{path}:{node.lineno}"
        if isinstance(node, ast.keyword) and node.arg is None:
            spread = ast.unparse(node.value)
            assert not re.search(r"request\.(data|POST|GET|query_params)\b", spread), f"{path}:{node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not silent, f"{path}:{node.lineno} swallows an error"
    assert "django.dispatch" not in _imports(path) or "receiver" not in text, path
    assert not re.search(r"#\s*(TODO|FIXME|XXX|HACK)\b", text), path
    assert "unscoped" not in text
    if path.name not in ("tenancy.py",):
        assert "scopes_disabled" not in text, f"{path}: use platform_scope, which says why"
    assert "django.dispatch.receiver" not in _imports(path)


def test_signals_of_others_are_listened_to_in_three_places_only():
    """Our own consequences run through events; what other packages announce has no other way in."""
    connected = {
        str(path.relative_to(ROOT))
        for path in _sources("apps")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".connect") and ast.unparse(node.func) != "psycopg.connect"
    }

    assert connected <= {"apps/accounts/apps.py", "apps/clients/apps.py", "apps/users/apps.py"}


@pytest.mark.parametrize("path", _sources("apps"), ids=_name)
def test_no_module_is_named_after_nothing(path):
    assert path.stem not in ("utils", "helpers", "common", "misc", "managers")


@pytest.mark.parametrize(
    "path", [p for p in _sources("apps") if p.parent.name in ("services", "selectors") or p.stem in ("services", "selectors")], ids=_name
)
def test_public_services_and_selectors_are_typed_and_described(path):
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            where = f"{path}:{node.lineno} {node.name}"
            assert ast.get_docstring(node), where
            assert node.returns is not None, where
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert [a.arg for a in arguments if a.annotation is None] == [], where


@pytest.mark.parametrize("path", [p for p in _sources("apps") if p.parent.name == "services" or p.stem == "services"], ids=_name)
def test_services_take_what_they_change_and_name_the_rest(path):
    """``schedule_booking(booking, practitioner=…)``: at most the thing itself comes without its name."""
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            positional = [*node.args.posonlyargs, *node.args.args]
            assert len(positional) <= 2, f"{path}:{node.lineno} {node.name}"


def test_every_migration_goes_back():
    """RunPython and RunSQL name their reverse."""
    for path in sorted((ROOT / "apps").rglob("migrations/*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("RunPython", "RunSQL"):
                names = {keyword.arg for keyword in node.keywords}
                assert len(node.args) >= 2 or names & {"reverse_code", "reverse_sql"}, f"{path}:{node.lineno}"


def test_the_environment_is_read_in_the_settings_only():
    allowed = {
        "config/wsgi.py",  # names the settings module
        "config/postgres.py",  # hands PATH on to the server's programs
        "apps/checkout/demo/processes.py",  # hands all of it on to the demo's servers
    }
    readers = {
        str(p.relative_to(ROOT)) for p in _sources("apps", "config") if re.search(r"os\.environ|os\.getenv|environ\.Env", p.read_text())
    }

    assert {name for name in readers if not name.startswith("config/settings/")} <= allowed
