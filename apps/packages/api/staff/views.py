from typing import Any, ClassVar

from apps.accounts.api.doors import StaffViewSet
from apps.core.api.doors import ResourceMixin
from apps.core.api.listing import FilterSet, FlagFilter
from apps.packages.api.staff.serializers import PackageSerializer
from apps.packages.models import Package


class PackageFilter(FilterSet):
    is_active = FlagFilter()


class PackageViewSet(ResourceMixin, StaffViewSet):
    """Packages of the account."""

    model = Package
    serializer_class = PackageSerializer
    filterset_class = PackageFilter
    search_fields = ("package_name", "description")
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "package_name": "package_name"}
