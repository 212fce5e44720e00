from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.clients.api.doors import ClientDoor
from apps.notifications.api.serializers import NothingSerializer
from apps.notifications.api.tickets import HOW, StreamTicketSerializer, ticket_for
from apps.notifications.models import Notification


class OwnStreamView(ClientDoor):
    """Live notifications of all businesses whose client the caller is; `?account=` narrows to one."""

    model = Notification

    @extend_schema(request=NothingSerializer, responses=StreamTicketSerializer, description=HOW)
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(NothingSerializer, request)
        return Response(ticket_for(self.customer.user_id, {client.account_id for client in self.clients}))
