from typing import ClassVar

from django.db.models import QuerySet

from apps.accounts.api.doors import PublicDoor
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.packages.api.public.serializers import PublicPackageSerializer
from apps.packages.models import Package, PackageItem


class PublicPackageViewSet(ListMixin, RetrieveMixin, PublicDoor):
    """Packages that everybody may buy."""

    model = Package
    serializer_class = PublicPackageSerializer
    orderings: ClassVar = {"package_name": "package_name", "price_cents": "price_cents"}
    default_ordering = "package_name"
    search_fields = ("package_name", "description")
    max_age = 60

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return on_public_sale(queryset).filter(pk__in=PackageItem._base_manager.values("package_id"))


def on_public_sale(packages: QuerySet) -> QuerySet:
    """Those that anybody may buy."""
    return packages.filter(is_public=True, is_active=True)
