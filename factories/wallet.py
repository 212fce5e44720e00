from typing import Any

import factory

from apps.core.tenancy import account_scope
from apps.payments.models import Book, Wallet, WalletLot
from apps.payments.services.wallet import give_credit
from apps.users.models import Customer
from factories.clients import ClientFactory
from factories.users import CustomerFactory, UserFactory


class WalletFactory(factory.django.DjangoModelFactory):
    """The wallet of a user, who may or may not have a customer profile (source 001).

    ``balance=1000, balance__account=account`` gives so many cents of credit at an account, whose client the person becomes.
    """

    user = factory.SubFactory(UserFactory)

    class Meta:
        model = Wallet
        django_get_or_create = ("user",)
        skip_postgeneration_save = True

    @factory.post_generation
    def balance(self: Any, create: bool, cents: int | None, **kwargs: Any) -> None:
        if cents:
            person = Customer.objects.filter(user=self.user).first() or CustomerFactory(user=self.user, create_wallet=False)
            account = kwargs["account"]
            with account_scope(account):
                client = person.clients.filter(account=account).first() or ClientFactory(account=account, customer=person)
                give_credit(
                    client=client,
                    amount_cents=cents,
                    currency=account.currency,
                    source=WalletLot.Source.GOODWILL,
                    from_book=Book.GOODWILL,
                )
