import factory

from apps.packages.models import Package, PackageItem
from factories.base import TenantFactory
from factories.catalog import ServiceFactory


class PackageFactory(TenantFactory):
    package_name = factory.Sequence(lambda n: f"Package {n}")
    price_cents = 10000

    class Meta:
        model = Package


class PackageItemFactory(TenantFactory):
    package = factory.SubFactory(PackageFactory, account=factory.SelfAttribute("..account"))
    service = factory.SubFactory(ServiceFactory, account=factory.SelfAttribute("..account"))
    quantity = 3
    position = factory.Sequence(lambda n: n % 30000 + 1)

    class Meta:
        model = PackageItem
