from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import PublicDoor
from apps.catalog.api.public.serializers import OfferOfSomebodySerializer, PublicPractitionerSerializer, PublicServiceSerializer
from apps.catalog.models import Offering, Practitioner, Service
from apps.core.api import reading
from apps.core.api.doors import ListMixin, RetrieveMixin, valid_pk


class PublicServiceViewSet(ListMixin, RetrieveMixin, PublicDoor):
    """What can be booked. Prices are cents; whether they contain the tax is on the business card (`prices_include_tax`)."""

    model = Service
    serializer_class = PublicServiceSerializer
    orderings: ClassVar = {"name": "name"}
    default_ordering = "name"
    search_fields = ("name", "description", "category")
    max_age = 60

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.filter(is_active=True)


class PublicPractitionerViewSet(ListMixin, RetrieveMixin, PublicDoor):
    """Who gives sessions, with the services that they offer now."""

    model = Practitioner
    serializer_class = PublicPractitionerSerializer
    orderings: ClassVar = {"display_name": "display_name"}
    default_ordering = "display_name"
    search_fields = ("display_name", "headline")
    max_age = 60

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.filter(is_active=True)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.listing().page(request)
        return Response({**page, "results": _with_services(page["results"])})

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(_with_services([self.represent(valid_pk(self.model, self.kwargs["pk"]))])[0])


def _with_services(practitioners: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each of them offers now, by name; one statement for all."""
    by_id = {row["id"]: row["services"] for row in practitioners}
    offered = Offering.objects.filter(practitioner_id__in=by_id, is_active=True, service__is_active=True).order_by("service__name", "pk")
    for offer in reading.represent(OfferOfSomebodySerializer, offered):
        by_id[offer.pop("practitioner")].append(offer)
    return practitioners
