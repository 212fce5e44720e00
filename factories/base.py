"""Base of the factories of tenant models."""

from typing import Any

import factory

from apps.core.tenancy import account_scope


class TenantFactory(factory.django.DjangoModelFactory):
    """Creates its row inside the scope of the row's account."""

    account = factory.SubFactory("factories.accounts.AccountFactory")

    class Meta:
        abstract = True
        skip_postgeneration_save = True

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        with account_scope(kwargs["account"]):
            return super()._create(model_class, *args, **kwargs)
