from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import PublicDoor
from apps.clients.api.authentication import guest_of
from apps.clients.api.public.serializers import AcceptedSerializer, AskForLinkInput, CloseAccessInput, GuestTokenSerializer, OpenLinkInput
from apps.clients.models import GuestAccess
from apps.clients.services.access import ask_for_link, close_access, open_link
from apps.core.api.limits import Allowance
from apps.users.models.user import normalize_email

QUARTER, HOUR = 900, 3600
PER_ADDRESS = Allowance("access-link", 3)
"""Links to one address of one business in a quarter of an hour, whoever asks."""
PER_NETWORK = Allowance("access-links", 20)
"""Links that one network (or login) asks for in an hour, at all businesses."""
SENT = "If this business knows the address, a link is on its way to it."


class AccessLinkViewSet(PublicDoor):
    """Your own bookings, orders and payments without a password: by a link that is mailed to the address the business has of you."""

    model = GuestAccess

    @extend_schema(request=AskForLinkInput, responses={202: AcceptedSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for a link. The answer is 202 whether the address is known or not.

        The mail's link leads to `<frontend>/<account>/access/<token>`; POST that token to `access-links/open/` within 30 minutes.
        429 `rate_limited` after three links to one address in a quarter of an hour, or twenty from one network in an hour.
        """
        email = normalize_email(self.validated(AskForLinkInput, request)["email"])
        PER_NETWORK.take(self.counted_as, seconds=HOUR)
        PER_ADDRESS.take(f"{self.account.pk} {email}", seconds=QUARTER)
        ask_for_link(account=self.account, email=email)
        return Response({"message": SENT}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=OpenLinkInput, responses={201: GuestTokenSerializer})
    @action(detail=False, methods=["post"])
    def open(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Open a link, once: the answer is a guest token for an hour.

        Sent as `Authorization: Guest <token>` it opens `bookings/`, `documents/`, `slots/`, `reviews/`, `orders/`, `packages/`,
        `payments/` and `invoices/` under `/api/customer/`, with what this business has of exactly this client. The profile, the wallet,
        notifications, sites and tickets are for those who sign in: 403 `permission_denied`. It ends early when the address changes.
        409 `link_expired` when the link was used, is too old or was never ours.
        """
        token, access = open_link(account=self.account, link=self.validated(OpenLinkInput, request)["token"])
        return Response({"token": token, "expires_at": access.expires_at}, status=status.HTTP_201_CREATED)

    @extend_schema(request=CloseAccessInput, responses={204: None})
    @action(detail=False, methods=["post"])
    def close(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sign out: the guest token that this request carries opens nothing any more. 401 without one of this business."""
        self.validated(CloseAccessInput, request)
        guest = guest_of(request.user)
        if guest is None or guest.access.account_id != self.account.pk:
            raise NotAuthenticated
        close_access(guest.access)
        return Response(status=status.HTTP_204_NO_CONTENT)
