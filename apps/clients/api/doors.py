"""The door of a person to what businesses keep for them: their own rows, in every account they are a client of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from django.db.models import BigIntegerField, QuerySet
from django_filters import rest_framework as filters
from rest_framework.request import Request

from apps.accounts.models import Account
from apps.clients.api.authentication import guest_of
from apps.clients.guests import Guest
from apps.clients.models import Client
from apps.core.api.listing import FilterSet
from apps.core.compiled import Param, run
from apps.core.errors import DomainError, Invalid
from apps.core.events import acting
from apps.core.tenancy import account_scope, customer_scope
from apps.users.api.doors import CustomerDoor
from apps.users.models import User


class ClientDoor(CustomerDoor):
    """A customer among their own rows. Models served here have a ``client``.

    Reads see all of the caller's accounts at once; ``?account=<slug>`` narrows every request to one of them. A write finds its row
    that way and then goes on inside the row's account (``inside``), where the services are at home.

    A view with ``guests`` also lets in who has opened a link that was mailed to a client: they are that client and have no login, so
    there is no ``customer`` behind them.
    """

    guests: ClassVar[bool] = False
    clients: list[Client]
    """The caller's, with their accounts; one in each account at most."""
    account_of_key: int | None = None

    def enter(self, request: Request) -> None:
        super().enter(request)
        if self.may(request):
            slug = request.query_params.get("account")
            guest = guest_of(request.user)
            found = [guest.client] if guest is not None else _clients_of(cast(User, request.user))
            self.clients = [client for client in found if slug is None or client.account.slug == slug]
            if slug is not None and not self.clients:
                raise Invalid(fields={"account": ["You are not a client of an account of this name."]})
            self._reach(guest)

    def may(self, request: Request) -> bool:
        if guest_of(request.user) is not None:
            return self.guests
        return super().may(request)

    def re_enter(self) -> None:
        guest = guest_of(self.request.user)
        if guest is None:
            super().re_enter()
        self._reach(guest)

    def _reach(self, guest: Guest | None) -> None:
        if guest is not None:
            self.scopes.enter_context(acting(None, self.role))
        accounts, user_id = [client.account_id for client in self.clients], None if guest is not None else self.request.user.pk
        self.scopes.enter_context(customer_scope(user_id, self.client_ids, accounts, ends_transaction=True))

    @property
    def is_guest(self) -> bool:
        """Whether the caller came by a link, without a login."""
        return guest_of(self.request.user) is not None

    @property
    def client_ids(self) -> list[int]:
        """The caller's clients, of all accounts in reach, and the records that were merged into them: documents keep those ids."""
        return [pk for client in self.clients for pk in client.all_ids]

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


def _clients_of(user: User) -> list[Client]:
    return run("clients.of_customer", _clients, {"customer": user.customer.pk})


def _clients() -> QuerySet:
    """The caller's clients in open accounts; the policy on the table shows them to their own user."""
    return Client._base_manager.filter(
        customer_id=Param("customer", BigIntegerField()), merged_into=None, account__status=Account.Status.ACTIVE
    ).select_related("account")


__all__ = ["ClientDoor", "ClientFilterSet"]
