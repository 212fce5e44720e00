from typing import Any, ClassVar

from apps.accounts.api.doors import StaffViewSet
from apps.catalog.api.staff.serializers import OfferingSerializer, PractitionerSerializer, ServiceSerializer
from apps.catalog.models import Offering, Practitioner, Service
from apps.core.api.doors import ResourceMixin
from apps.core.api.listing import FilterSet, FlagFilter, ScopedChoiceFilter


class ActiveFilter(FilterSet):
    is_active = FlagFilter()


class OfferingFilter(ActiveFilter):
    practitioner = ScopedChoiceFilter(model=Practitioner)
    service = ScopedChoiceFilter(model=Service)


class ServiceViewSet(ResourceMixin, StaffViewSet):
    """Services of the account."""

    model = Service
    serializer_class = ServiceSerializer
    filterset_class = ActiveFilter
    search_fields = ("name", "description", "category")
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "name": "name"}


class PractitionerViewSet(ResourceMixin, StaffViewSet):
    """The people who give sessions."""

    model = Practitioner
    serializer_class = PractitionerSerializer
    filterset_class = ActiveFilter
    search_fields = ("display_name", "headline")
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "display_name": "display_name"}


class OfferingViewSet(ResourceMixin, StaffViewSet):
    """Which practitioner gives which service, and at what price and length of their own."""

    model = Offering
    serializer_class = OfferingSerializer
    filterset_class = OfferingFilter
