"""Whom the business does not sell to online."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.api.staff.serializers import ClientSerializer
from apps.clients.models import BlockedContact
from apps.clients.services.blocking import block_client, block_contact, unblock_client, unblock_contact
from apps.core.api.doors import ListMixin, RetrieveMixin, refused_by_database
from apps.core.api.fields import OneLineField, PhoneField
from apps.core.api.reading import InputSerializer, ResourceSerializer


class BlockInput(InputSerializer):
    reason = OneLineField(max_length=500, required=False, allow_blank=True, help_text="For staff; the client is not told.")


class NothingInput(InputSerializer):
    """Lifting a block takes no input."""


class BlockActions:
    """Blocking one client, at the client's own address."""

    @extend_schema(request=BlockInput, responses=ClientSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def block(self: Any, request: Request, pk: str) -> Response:
        """Sell nothing to this client online any more: they get 409 `not_accepted`. Staff may still sell; what was bought stays theirs."""
        client = block_client(self.get_object(), by=self.membership, **self.validated(BlockInput, request))
        return Response(self.represent(client.pk))

    @extend_schema(request=NothingInput, responses=ClientSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def unblock(self: Any, request: Request, pk: str) -> Response:
        """The client may buy online again. Repeating it changes nothing."""
        self.validated(NothingInput, request)
        client = unblock_client(self.get_object())
        return Response(self.represent(client.pk))


class BlockedContactSerializer(ResourceSerializer):
    """An e-mail address, a phone number, or both: whoever comes with one of them gets 409 `not_accepted` online."""

    class Meta:
        model = BlockedContact
        fields: ClassVar = ["id", "email", "phone_number", "reason", "author", "created_at"]
        read_only_fields = fields


class BlockedContactInput(InputSerializer):
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    phone_number = PhoneField(required=False, allow_blank=True)
    reason = OneLineField(max_length=500, required=False, allow_blank=True, help_text="For staff; nobody else is told.")


class BlockedContactViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Strangers to whom nothing is sold online. Clients are blocked at clients/<id>/block/."""

    model = BlockedContact
    serializer_class = BlockedContactSerializer
    search_fields = ("email", "phone_number", "reason")
    orderings: ClassVar[dict[str, str]] = {}
    default_ordering = "-id"

    @extend_schema(request=BlockedContactInput, responses={201: BlockedContactSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Block an address, a number, or both."""
        data = self.validated(BlockedContactInput, request)
        with refused_by_database(BlockedContact):
            contact = block_contact(account_id=self.account.pk, author=self.membership, **data)
        return Response(self.represent(contact.pk), status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Lift the block."""
        unblock_contact(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
