"""The account's log."""

from urllib.parse import urlencode

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.core.api.events import LogSerializer
from apps.core.api.listing import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, refuse_parameters
from apps.core.errors import Invalid
from apps.core.log import as_told, events_after
from apps.core.models import Event
from apps.core.parsing import parse_integer

MOST = 2**63 - 1


class EventLogView(StaffViewSet):
    """Everything that happened in the account, to be replayed from any place."""

    model = Event
    serializer_class = LogSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "after", OpenApiTypes.INT64, description="The `sequence` you have seen last; 0 (default) begins at the beginning."
            ),
            OpenApiParameter("page_size", int, description=f"Events per page, 1 to {MAX_PAGE_SIZE}; {DEFAULT_PAGE_SIZE} by default."),
            OpenApiParameter("subject_type", str, description="With `subject_id`: only what happened to this one thing."),
            OpenApiParameter("subject_id", OpenApiTypes.INT64),
        ],
        responses=LogSerializer,
    )
    def list(self, request: Request) -> Response:
        """Follow the log: read, keep `after`, read again with it. No event is missed and none comes twice.

        An event appears as soon as no transaction that began before it is still running, which is usually at once. The order is that of
        the log; sequences are not always ascending in it, so keep `after` and not the greatest number. 400 `validation_error` for an
        `after` that is no event of the account.
        """
        query = request.query_params
        refuse_parameters(query, {"after", "page_size", "subject_type", "subject_id"})
        after = _number(query.get("after", "0"), "after", 0, MOST)
        size = _number(query.get("page_size", str(DEFAULT_PAGE_SIZE)), "page_size", 1, MAX_PAGE_SIZE)
        subject = None
        if "subject_type" in query or "subject_id" in query:
            subject_type = query.get("subject_type", "")
            if not subject_type or "\0" in subject_type or "subject_id" not in query:
                raise Invalid(fields={"subject_type": ["Send subject_type and subject_id together."]})
            subject = (subject_type, _number(query["subject_id"], "subject_id", 0, MOST))
        found = events_after(self.account.pk, after, size=size + 1, subject=subject)
        shown, more = found[:size], len(found) > size
        after = shown[-1].id if shown else after
        following = urlencode({**query.dict(), "after": after})
        link = request.build_absolute_uri(f"{request.path}?{following}") if more else None
        return Response({"next": link, "previous": None, "after": after, "results": [as_told(event) for event in shown]})


def _number(text: str, name: str, least: int, most: int) -> int:
    try:
        number = parse_integer(text)
    except ValueError:
        number = -1
    if not least <= number <= most:
        raise Invalid(fields={name: [f"Send a whole number from {least} to {most}."]})
    return number
