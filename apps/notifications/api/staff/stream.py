from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.notifications.api.serializers import NothingSerializer
from apps.notifications.api.tickets import HOW, StreamTicketSerializer, ticket_for
from apps.notifications.models import Notification


class StreamView(StaffViewSet):
    """Live notifications of this account."""

    model = Notification

    @extend_schema(request=NothingSerializer, responses=StreamTicketSerializer, description=HOW)
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(NothingSerializer, request)
        return Response(ticket_for(self.caller.pk, [self.account.pk]))
