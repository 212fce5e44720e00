"""Two accounts with one row of every tenant model in each: what the tests of separation are generated over."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import factory
import pytest
from django.apps import apps
from django.db import connection, models, transaction

import factories
from apps.accounts.models import Account, ApiToken, Role
from apps.clients.models import Client
from apps.core import idempotency
from apps.core.db import next_number, rows
from apps.core.events import emit
from apps.core.models import Counter, Event, IdempotencyKey
from apps.core.tenancy import account_scope, platform_scope
from apps.notifications.models import Notification
from apps.orders.models import ClientPackage, Order
from apps.packages.models import Package
from apps.payments.models import CreditNote
from apps.sites.models import Site, SiteTransfer
from apps.users.models import Address, Customer, PersonExport, User
from factories.accounts import AccountFactory, MembershipFactory
from factories.clients import ClientFactory
from factories.money import CreditNoteFactory
from factories.orders import OrderFactory
from factories.packages import PackageFactory, PackageItemFactory
from factories.subjects import PersonExportFactory
from factories.users import AddressFactory, CustomerFactory

# Global rows that belong to one person; the customer door keeps them apart by user.
PERSONAL: tuple[type[models.Model], ...] = (Customer, Address, ApiToken, PersonExport)


@cache
def tenant_models() -> tuple[type[models.Model], ...]:
    """Every concrete model whose table has account_id, histories included."""
    return tuple(m for m in apps.get_models() if not m._meta.proxy and any(f.column == "account_id" for f in m._meta.concrete_fields))


def is_historical(model: type[models.Model]) -> bool:
    return any(f.name == "history_id" for f in model._meta.concrete_fields)


@cache
def tenant_tables() -> tuple[str, ...]:
    """The same, asked of the database: a table that no model knows counts, too."""
    found = rows("SELECT table_name FROM information_schema.columns WHERE column_name = 'account_id' AND table_schema = current_schema()")
    return tuple(sorted(name for (name,) in found))


@cache
def factory_of() -> dict[type[models.Model], type[factory.django.DjangoModelFactory]]:
    """The factory of each model, from every module of ``factories``."""
    found: dict[type[models.Model], Any] = {}
    for module in pkgutil.iter_modules(factories.__path__):
        for value in vars(importlib.import_module(f"factories.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, factory.django.DjangoModelFactory) and not value._meta.abstract:
                found[value._meta.model] = value
    return found


def _event(account: Account) -> Event:
    return emit("account.changed", account, account_id=account.pk)


def _counter(account: Account) -> Counter:
    next_number(account.pk, "world")
    return Counter.objects.get(account=account, name="world")


def _idempotency_key(account: Account) -> IdempotencyKey:
    claim = idempotency.claim(account_id=account.pk, actor_id=None, key="world", request_hash="0" * 64)
    idempotency.store_reply(claim, 200, "{}")
    return IdempotencyKey.objects.get(pk=claim.id)


# Rows that no factory makes: the kernel writes them.
MADE_BY_THE_KERNEL: dict[type[models.Model], Callable[[Account], models.Model]] = {
    Event: _event,
    Counter: _counter,
    IdempotencyKey: _idempotency_key,
}


FROZEN = ("payments_ledgertransaction", "payments_ledgerentry", "payments_invoice", "payments_invoiceline", "clients_clientconsent")
"""Tables whose rows the database lets nobody change: their triggers answer before keys and policies are asked."""


def thaw(table: str) -> None:
    """Let rows of a frozen table be changed for the rest of this transaction, so that what lies behind the trigger is seen."""
    if table in FROZEN:
        with platform_scope("thaw"), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
            cursor.execute(f"ALTER TABLE {connection.ops.quote_name(table)} DISABLE TRIGGER {table}_frozen")


@dataclass
class World:
    """An account, its owner and one row per model."""

    account: Account
    owner: User
    rows: dict[type[models.Model], models.Model] = field(default_factory=dict)

    def of(self, model: type[models.Model]) -> models.Model:
        """This world's row of a model; a KeyError means that ``build_world`` must learn to make one."""
        return self.rows[model]


def build_world(name: str) -> World:
    """One row of every tenant model, by its factory; a new model without one fails here. Texts carry the world's name.

    The owner is the client of everything, too: staff and customer door reach the same rows.
    """
    account = AccountFactory(name=f"{name} studio", slug=name.lower())
    owner = MembershipFactory(account=account, role=Role.OWNER).user
    world = World(account, owner, {Account: account, User: owner})
    world.rows[Customer] = CustomerFactory(user=owner, full_name=f"{name} person")
    world.rows[Address] = AddressFactory(user=owner, line1=f"{name} street")
    world.rows[ApiToken] = ApiToken.objects.create(user=owner, label=f"{name} phone")[0]
    world.rows[PersonExport] = PersonExportFactory(user=owner)
    client = ClientFactory(account=account, customer=world.rows[Customer], tags=[f"{name} tag"], **_texts(Client, name))
    world.rows[Client] = client
    for model in tenant_models():
        if is_historical(model) or model in world.rows:
            continue
        if model in MADE_BY_THE_KERNEL:
            with account_scope(account):
                world.rows[model] = MADE_BY_THE_KERNEL[model](account)
        else:
            read_by = {"user": owner} if model is Notification else {}
            world.rows[model] = factory_of()[model](account=account, **for_client(model, client), **_texts(model, name), **read_by)
    PackageItemFactory(account=account, package=world.rows[Package])  # without one it is not on public sale
    package = PackageFactory(account=account, package_name=f"{name} sold")
    sold = OrderFactory(account=account, client=client, order_type=Order.Type.PACKAGE, package=package, service=None)
    with account_scope(account):
        world.rows[ClientPackage] = ClientPackage.objects.get(pk=sold.pk)
    world.rows[Site] = world.of(SiteTransfer).site  # type: ignore[attr-defined]  # one that is offered to the owner
    world.rows[CreditNote] = CreditNoteFactory(account=account, order__client=client)
    for model in tenant_models():
        if is_historical(model):
            with account_scope(account):
                world.rows[model] = model._base_manager.filter(account_id=account.pk).order_by("history_id").first()
    return world


def for_client(model: type[models.Model], client: Client) -> dict[str, Client]:
    """What to tell the model's factory so that its row is this client's; nothing for models that know no client."""
    path, found = "client", factory_of()[model]._meta.base_declarations
    while isinstance(source := found.get("client"), factory.SelfAttribute):  # client = SelfAttribute("order.client")
        parent = source.attribute_name.removesuffix(".client")
        path, found = path.replace("client", f"{parent}__client"), found[parent].get_factory()._meta.base_declarations
    return {path: client} if source is not None else {}


def _texts(model: type[models.Model], name: str) -> dict[str, str]:
    """Free texts that carry the world's name, so that a leak can be found by searching the answer."""
    wanted = {"name", "full_name", "display_name", "package_name", "description", "headline", "bio", "reason"}
    return {f.name: f"{name} {f.name}" for f in model._meta.concrete_fields if f.name in wanted and not f.choices}


def digest(account: Account) -> dict[str, str]:
    """A fingerprint of everything an account holds, per table, and of the person who owns it."""
    owned = [("accounts_account", "id = %(account)s")] + [(table, "account_id = %(account)s") for table in tenant_tables()]
    owned += [("users_customer", "user_id IN (%(owners)s)"), ("users_address", "user_id IN (%(owners)s)")]
    owned += [("accounts_apitoken", "user_id IN (%(owners)s)")]
    owners = "SELECT m.user_id FROM accounts_membership m WHERE m.account_id = %(account)s"
    found = {}
    with platform_scope("digest"):
        for table, condition in owned:
            where = condition.replace("%(owners)s", owners)
            sql = f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {connection.ops.quote_name(table)} t WHERE {where}"
            found[table] = rows(sql, {"account": account.pk})[0][0]
    return found


@pytest.fixture(scope="module")
def _worlds(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[World, World]]:
    """Made once per module, in a transaction around its tests; each test's own changes are rolled back to here."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield build_world("Ours"), build_world("Theirs")
        transaction.set_rollback(True)


@pytest.fixture
def two_worlds(_worlds: tuple[World, World], db: None) -> tuple[World, World]:
    """Worlds Ours and Theirs, each with a row in every tenant table. Not for tests with transactions of their own."""
    return _worlds
