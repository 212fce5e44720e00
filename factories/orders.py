from datetime import date

import factory

from apps.orders.models import Order, OrderLine, PackagePause
from factories.base import TenantFactory
from factories.catalog import ServiceFactory
from factories.clients import ClientFactory


class OrderFactory(TenantFactory):
    """An unpaid order of a single service, without sessions; sell through apps.checkout.services for a whole one."""

    number = factory.Sequence(lambda n: f"T{n:06d}")
    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    order_type = Order.Type.SERVICE
    service = factory.SubFactory(ServiceFactory, account=factory.SelfAttribute("..account"))
    subtotal_cents = 5000
    total_amount_cents = 5000
    currency = factory.SelfAttribute("account.currency")

    class Meta:
        model = Order


class OrderLineFactory(TenantFactory):
    order = factory.SubFactory(OrderFactory, account=factory.SelfAttribute("..account"))
    position = 1
    description = "A session"
    unit_price_cents = 5000
    amount_cents = 5000

    class Meta:
        model = OrderLine


class PackagePauseFactory(TenantFactory):
    order = factory.SubFactory(OrderFactory, account=factory.SelfAttribute("..account"))
    first_day = date(2027, 1, 1)
    last_day = date(2027, 1, 14)
    reason = "A journey"

    class Meta:
        model = PackagePause
