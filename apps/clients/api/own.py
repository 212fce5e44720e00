"""Where an account says so, a practitioner finds only what is about their own clients: the rest answers like something missing."""

from typing import ClassVar

from django.db.models import BigIntegerField, Model, QuerySet

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Role
from apps.accounts.selectors import setting
from apps.clients.models import Client
from apps.clients.visibility import SETTING, of_member
from apps.core.api.doors import Restriction


class KnowsOwnClients(StaffViewSet):
    """A staff view that asks for clients beside its own model."""

    @property
    def sees_own_clients_only(self) -> bool:
        return self.membership.role == Role.PRACTITIONER and setting(self.account, SETTING)

    def clients_in_sight(self) -> QuerySet:
        """The current clients that this caller may know of."""
        clients = Client.objects.current()
        return of_member(clients, "pk", self.membership.pk) if self.sees_own_clients_only else clients

    def knows(self, row: Model) -> bool:
        """Nor can they name a client, or a thing of a client, that they do not find."""
        client_id = row.pk if isinstance(row, Client) else getattr(row, "client_id", None)
        return client_id is None or not self.sees_own_clients_only or self.clients_in_sight().filter(pk=client_id).exists()


class OwnClientsViewSet(KnowsOwnClients):
    """Base of the staff views of what is about a client; ``client_path`` leads from their model to the client's id."""

    client_path: ClassVar[str] = "client_id"

    def restriction(self) -> Restriction | None:
        if not self.sees_own_clients_only:
            return None
        path = self.client_path
        return Restriction(
            "own_clients",
            {"own_clients_of": (self.membership.pk, BigIntegerField())},
            lambda rows, value: of_member(rows, path, value("own_clients_of")),
        )
