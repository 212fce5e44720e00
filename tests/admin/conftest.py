"""Two full accounts: one row of every model that the admin knows, and a word in each text of it that gives it away."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import factory
import pytest
from django.contrib import admin
from django.db import models
from django.test import Client

import factories
from apps.accounts.models import Account, ApiToken, Role
from apps.clients.models import ClientConsent
from apps.core.events import emit
from apps.core.models import Event, IdempotencyKey, TenantModel
from apps.core.tenancy import account_scope
from apps.location.models import Country
from apps.orders.models import ClientPackage
from apps.payments.models import CreditNote, Invoice, LedgerTransaction
from apps.users.models import User
from factories.accounts import MembershipFactory, token_for
from factories.packages import PackageFactory
from factories.users import UserFactory

OURS, THEIRS = "rotkehlchen", "kanarienvogel"
# Rows that cannot be changed are made with the word in these fields.
FROZEN: dict[type[models.Model], tuple[str, ...]] = {
    Invoice: ("series", "number"),
    CreditNote: ("series", "number"),
    LedgerTransaction: ("memo",),
    ClientConsent: ("purpose", "source"),
}

for module in pkgutil.iter_modules(factories.__path__):
    importlib.import_module(f"factories.{module.name}")

# Texts with a meaning of their own, which a made-up word would break.
FIXED = {
    "state_reason",
    "timezone",
    "local_start",
    "language",
    "password",
    "digest",
    "token_key",
    "address_digest",
    "link_digest",
    "token_digest",
    "storage_key",
    "site_url",
    "phone_number",
    "image",
    "username",
}


def _factories() -> dict[type[models.Model], Any]:
    found, queue = {}, [factory.django.DjangoModelFactory]
    while queue:
        one = queue.pop()
        queue.extend(one.__subclasses__())
        if one._meta.model is not None and not one._meta.abstract:
            found[one._meta.model] = one
    return found


def our_admins() -> dict[type[models.Model], Any]:
    """Every registered admin of ours, by model."""
    admin.autodiscover()
    return {model: one for model, one in admin.site._registry.items() if model.__module__.startswith("apps.")}


def _mark(row: models.Model, word: str) -> None:
    """Put the word into every free text, and save once more: the history has it, too."""
    for field in row._meta.concrete_fields:
        if field.name in FIXED or field.choices or field.primary_key:
            continue
        if isinstance(field, models.EmailField):
            setattr(row, field.name, f"{word}-{row.pk}@example.test")
        elif isinstance(field, models.SlugField):
            setattr(row, field.name, f"{word}-{row.pk}")
        elif isinstance(field, models.CharField | models.TextField) and (field.max_length or 99) > len(word) + 6:
            setattr(row, field.name, f"{word} {row.pk}")
        elif isinstance(field, models.JSONField) and field.default is dict:
            setattr(row, field.name, {"note": word})
    if isinstance(row, Event):
        Event.objects.filter(pk=row.pk).update(type=f"{word}.seen", changes={"note": word})
        return
    row.save()


def fill(account: Account, word: str) -> dict[type[models.Model], models.Model]:
    """One marked row of every model that the admin knows, in or around this account."""
    makers, rows = _factories(), {}
    for model in our_admins():
        if model is Account:
            row = account
        elif model is Country:
            row = Country.objects.get(code="FR")
        elif model is ApiToken:
            token_for(UserFactory(email=f"{word}-token@example.test"), label=word)
            row = ApiToken.objects.latest("created")
        elif model is ClientPackage:
            package = PackageFactory(account=account)
            order = makers[ClientPackage.__base__](account=account, order_type="package", package=package, service=None)
            with account_scope(account):
                row = ClientPackage.objects.get(pk=order.pk)
        elif model is IdempotencyKey:
            with account_scope(account):
                row = IdempotencyKey.objects.create(account=account, key=word, request_hash="x")
        elif model is Event:
            with account_scope(account):
                row = emit("account.changed", account, account_id=account.pk)
        elif model in FROZEN:
            row = makers[model](account=account, **dict.fromkeys(FROZEN[model], f"{word} {len(rows)}"))
        else:
            row = makers[model](account=account) if issubclass(model, TenantModel) else makers[model]()
        if model is not Country and model not in FROZEN:
            with account_scope(account):
                _mark(row, word)
        rows[model] = row
    return rows


@pytest.fixture
def ours(account: Account) -> dict[type[models.Model], models.Model]:
    return fill(account, OURS)


@pytest.fixture
def theirs(other_account: Account) -> dict[type[models.Model], models.Model]:
    return fill(other_account, THEIRS)


@pytest.fixture
def staff_of() -> Callable[..., Client]:
    """``staff_of(account, "manager")``: a browser signed in to the admin as a member of the account."""

    def make(*accounts: Account, role: str = Role.OWNER) -> Client:
        user = UserFactory(is_staff=True)
        for one in accounts:
            MembershipFactory(account=one, user=user, role=role)
        browser = Client()
        browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return browser

    return make


@pytest.fixture
def staff(staff_of: Callable[..., Client], account: Account) -> Client:
    return staff_of(account)


@pytest.fixture
def superuser(db: None) -> Client:
    browser = Client()
    user = User.objects.create_superuser("root@example.test", "correct horse battery")
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser
