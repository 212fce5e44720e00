from typing import Any

import factory

from apps.users.models import Address, Customer, User

PASSWORD = "correct horse battery"  # noqa: S105  the password of every user in tests


class UserFactory(factory.django.DjangoModelFactory):
    email = factory.Sequence(lambda n: f"user{n}@example.test")

    class Meta:
        model = User

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> User:
        return model_class.objects.create_user(password=kwargs.pop("password", PASSWORD), **kwargs)


class CustomerFactory(factory.django.DjangoModelFactory):
    """Builds the User first, then the Customer, then the user's wallet (source 001); without it by ``create_wallet=False``."""

    user = factory.SubFactory(UserFactory)
    full_name = factory.Sequence(lambda n: f"Customer {n}")
    create_wallet = factory.RelatedFactory("factories.wallet.WalletFactory", user=factory.SelfAttribute("..user"))

    class Meta:
        model = Customer
        skip_postgeneration_save = True


class AddressFactory(factory.django.DjangoModelFactory):
    user = factory.SubFactory(UserFactory)
    line1 = "1 Market Street"
    city = "Springfield"
    postal_code = "12345"
    country_id = "US"

    class Meta:
        model = Address
