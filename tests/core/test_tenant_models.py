"""The two layers of separation, for every model that has an account."""

import pytest
from django.apps import apps
from django.db import connection
from django_scopes.exceptions import ScopeError

from apps.core.tenancy import PLATFORM, account_scope
from tests.security.worlds import tenant_models

WITH_PROXIES = [m for m in apps.get_models() if m in tenant_models() or m._meta.concrete_model in tenant_models()]


@pytest.mark.parametrize("model", WITH_PROXIES, ids=lambda model: model.__name__)
def test_without_a_scope_the_orm_raises(db, model):
    for name in {"objects", model._meta.default_manager.name, *(manager.name for manager in model._meta.managers)}:
        with pytest.raises(ScopeError):
            getattr(model, name).count()
        with pytest.raises(ScopeError):
            list(getattr(model, name).filter(account_id=1))
    assert model._base_manager.count() == 0  # the way around the manager ends at the database


@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model.__name__)
def test_an_account_scope_shows_its_rows_in_the_orm_and_no_others(two_worlds, model):
    for world in two_worlds:
        with account_scope(world.account):
            assert set(model.objects.values_list("account_id", flat=True)) == {world.account.pk}
            assert set(model._base_manager.values_list("account_id", flat=True)) == {world.account.pk}


@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model.__name__)
def test_the_orm_scope_alone_narrows_too(two_worlds, model):
    """Both layers hold by themselves: with the database's policies open (platform), the manager still narrows."""
    ours, _ = two_worlds
    with account_scope(ours.account), connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'on', true)", [PLATFORM])
        assert set(model.objects.values_list("account_id", flat=True)) == {ours.account.pk}
        assert len(set(model._base_manager.values_list("account_id", flat=True))) == 2
        cursor.execute("SELECT set_config(%s, '', true)", [PLATFORM])
