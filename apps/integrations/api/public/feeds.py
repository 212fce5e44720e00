"""calendar/<secret>.ics: what a calendar program reads."""

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.accounts.api.doors import PublicDoor
from apps.bookings.calendar import CONTENT_TYPE
from apps.core.api.multipart import AnyAnswer
from apps.core.errors import NotFound
from apps.integrations.models import CalendarFeed
from apps.integrations.selectors import content_of, feed_with
from apps.integrations.services.feeds import note_reading

HEADERS = {
    "Cache-Control": "private",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


class CalendarViewSet(PublicDoor):
    """The sessions behind a secret address. The address is all the proof there is: no token is needed, and none helps."""

    model = CalendarFeed
    content_negotiation_class = AnyAnswer

    @extend_schema(
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the copy that is there.")],
        responses={
            (200, "text/calendar"): OpenApiResponse(OpenApiTypes.STR, description="An iCalendar file (RFC 5545), times in UTC."),
            304: OpenApiResponse(description="The copy that you have is the calendar."),
        },
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The calendar: sessions from 30 days ago to a year ahead; cancelled ones stay for 30 days, as cancelled.

        The UID of a session never changes, its SEQUENCE rises with every change of it. 404 for an address that is wrong, replaced or
        revoked.
        """
        at = timezone.now()
        feed = feed_with(self.kwargs["secret"], self.account.pk)
        if feed is None:
            raise NotFound
        content = content_of(feed, self.account, at)
        response = get_conditional_response(request._request, etag=content.etag)
        if response is None:
            response = HttpResponse(b"" if request.method == "HEAD" else content.body(), content_type=CONTENT_TYPE)
            response["Content-Disposition"] = 'inline; filename="calendar.ics"'
        response["ETag"] = content.etag
        note_reading(feed, at)
        return response

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Nobody between us and the reader keeps a calendar; an error is kept nowhere."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code in (200, 304):
            for name, value in HEADERS.items():
                response.headers[name] = value
        return response
