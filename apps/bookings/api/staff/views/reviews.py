from typing import ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.bookings.api.staff.serializers.reviews import NothingInput, ReplyInput, ReviewSerializer
from apps.bookings.models import Review
from apps.bookings.services.reviews import hide_review, publish_review, reply_to_review
from apps.catalog.models import Practitioner
from apps.clients.api.own import OwnClientsViewSet
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter


class ReviewFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Review.Status.choices)
    practitioner = ScopedChoiceFilter(model=Practitioner)
    rating = filters.TypedChoiceFilter(choices=[(n, str(n)) for n in range(1, 6)], coerce=int, help_text="1 to 5.")

    class Meta:
        model = Review
        fields: ClassVar[list[str]] = []


class ReviewViewSet(ListMixin, RetrieveMixin, OwnClientsViewSet):
    """What clients say about sessions that took place. They write reviews themselves; here they are published, hidden and answered."""

    model = Review
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter

    @extend_schema(request=NothingInput, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Show a review to everybody; from now on it counts in the practitioner's rating. 409 `invalid_transition` when it does already."""
        review = self.get_object()
        self.validated(NothingInput, request)
        publish_review(review)
        return Response(self.represent(review.pk))

    @extend_schema(request=NothingInput, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def hide(self, request: Request, pk: str) -> Response:
        """Show a review to nobody but staff; it no longer counts. 409 `invalid_transition` when it is hidden already."""
        review = self.get_object()
        self.validated(NothingInput, request)
        hide_review(review)
        return Response(self.represent(review.pk))

    @extend_schema(request=ReplyInput, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def reply(self, request: Request, pk: str) -> Response:
        """Answer a review; shown with it once it is published. A later answer replaces an earlier one, an empty one removes it."""
        review = self.get_object()
        reply_to_review(review, **self.validated(ReplyInput, request))
        return Response(self.represent(review.pk))
