import factory

from apps.bookings.models import Booking
from factories.base import TenantFactory
from factories.orders import OrderFactory


class BookingFactory(TenantFactory):
    """A draft session of an order."""

    order = factory.SubFactory(OrderFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("order.client")
    service = factory.SelfAttribute("order.service")
    position = 1
    price_cents = 5000
    currency = factory.SelfAttribute("account.currency")

    class Meta:
        model = Booking
