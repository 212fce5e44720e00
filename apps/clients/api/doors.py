"""The door of a person to what businesses keep for them: their own rows, in every account they are a client of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.db.models import BigIntegerField, QuerySet
from django_filters import rest_framework as filters
from rest_framework.request import Request

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.core.api.listing import FilterSet
from apps.core.compiled import Param, run
from apps.core.errors import DomainError, Invalid
from apps.core.tenancy import account_scope, customer_scope
from apps.users.api.doors import CustomerDoor
from apps.users.models import User


class ClientDoor(CustomerDoor):
    """A customer among their own rows. Models served here have a ``client``.

    Reads see all of the caller's accounts at once; ``?account=<slug>`` narrows every request to one of them. A write finds its row
    that way and then goes on inside the row's account (``inside``), where the services are at home.
    """

    clients: list[Client]
    """The caller's, with their accounts; one in each account at most."""
    account_of_key: int | None = None

    def enter(self, request: Request) -> None:
        super().enter(request)
        if self.may(request):
            slug = request.query_params.get("account")
            found = run("clients.of_customer", _clients, {"customer": cast(User, request.user).customer.pk})
            self.clients = [client for client in found if slug is None or client.account.slug == slug]
            if slug is not None and not self.clients:
                raise Invalid(fields={"account": ["You are not a client of an account of this name."]})
            self._reach(request)

    def re_enter(self) -> None:
        super().re_enter()
        self._reach(self.request)

    def _reach(self, request: Request) -> None:
        accounts = [client.account_id for client in self.clients]
        self.scopes.enter_context(customer_scope(cast(User, request.user).pk, self.client_ids, accounts, ends_transaction=True))

    @property
    def client_ids(self) -> list[int]:
        """The caller's clients, of all accounts in reach."""
        return [client.pk for client in self.clients]

    def client_at(self, row: Any = None) -> Client:
        """Who the caller is at the account of a row in reach; without a row, at the only account there is to choose from."""
        found = [client for client in self.clients if row is None or client.account_id == row.account_id]
        if len(found) != 1:
            raise Invalid(fields={"account": ["Choose one of your accounts by its slug."]})
        return found[0]

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(client_id__in=self.client_ids)

    @contextmanager
    def inside(self, row: Any) -> Iterator[None]:
        """The scope in which a service may change this row. What a refusal offers instead is cut down to what clients may do."""
        with account_scope(row.account_id):
            try:
                yield
            except DomainError as error:
                if "allowed_actions" in error.extras:
                    error.extras["allowed_actions"] = self.offered(error.extras["allowed_actions"])
                raise

    def offered(self, actions: list[str]) -> list[str]:
        """Which of a state's actions a client has here."""
        return []

    @contextmanager
    def keys(self) -> Iterator[int]:
        """An Idempotency-Key is kept by the account of the row that the address names; 404 when it is not in reach."""
        if self.account_of_key is None:
            self.account_of_key = self.get_object().account_id
        with account_scope(self.account_of_key):
            yield self.account_of_key


class ClientFilterSet(FilterSet):
    """``?account=`` beside what the list declares itself; the door has narrowed its scope by it already."""

    account = filters.CharFilter(method="narrowed_by_the_door", help_text="Slug of one of your accounts; without it, all of them.")

    def narrowed_by_the_door(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset


def _clients() -> QuerySet:
    """The caller's clients in open accounts; the policy on the table shows them to their own user."""
    return Client._base_manager.filter(
        customer_id=Param("customer", BigIntegerField()), merged_into=None, account__status=Account.Status.ACTIVE
    ).select_related("account")


__all__ = ["ClientDoor", "ClientFilterSet"]
