"""Deleting a whole account: what forbids it, and in which order its rows go."""

from collections.abc import Callable
from functools import lru_cache
from graphlib import TopologicalSorter

from django.apps import apps
from django.db import models

from apps.accounts.models import Account

_keepers: list[Callable[[], bool]] = []


def keeps_account(exists: Callable[[], bool]) -> None:
    """Register records that must outlive the business (orders, payments …). Each owning app does so in ``ready()``.

    ``exists`` is asked inside the account's scope.
    """
    _keepers.append(exists)


def is_in_use() -> bool:
    """Whether anything registered exists in the account whose scope is open."""
    return any(exists() for exists in _keepers)


@lru_cache(maxsize=1)
def tables_of_an_account() -> tuple[type[models.Model], ...]:
    """All models with an account, histories included: those that refer to others before those they refer to.

    The composite keys between them are checked at once and not at COMMIT, so the order matters.
    """
    owned = [m for m in apps.get_models() if not m._meta.proxy and _account_field(m) is not None]
    order: TopologicalSorter[type[models.Model]] = TopologicalSorter(dict.fromkeys(owned, ()))
    for model in owned:
        for field in model._meta.concrete_fields:
            target = field.related_model._meta.concrete_model if field.related_model else None
            if target is not model and target in owned:
                order.add(target, model)
    return tuple(order.static_order())


def _account_field(model: type[models.Model]) -> models.Field | None:
    return next((f for f in model._meta.concrete_fields if f.name == "account" and f.related_model is Account), None)


def delete_rows(account_id: int) -> None:
    """Delete every row of the account, one statement per table, without a history of their own end."""
    for model in tables_of_an_account():
        rows = model._base_manager.filter(account_id=account_id)
        rows._raw_delete(rows.db)
