import factory

from apps.catalog.models import Offering, Practitioner, Service
from factories.base import TenantFactory


class ServiceFactory(TenantFactory):
    name = factory.Sequence(lambda n: f"Service {n}")
    duration_minutes = 60
    price_cents = 5000

    class Meta:
        model = Service


class PractitionerFactory(TenantFactory):
    display_name = factory.Sequence(lambda n: f"Practitioner {n}")
    timezone = factory.SelfAttribute("account.timezone")

    class Meta:
        model = Practitioner


class OfferingFactory(TenantFactory):
    practitioner = factory.SubFactory(PractitionerFactory, account=factory.SelfAttribute("..account"))
    service = factory.SubFactory(ServiceFactory, account=factory.SelfAttribute("..account"))

    class Meta:
        model = Offering
