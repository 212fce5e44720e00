import factory

from apps.payments.models import Payment
from factories.base import TenantFactory
from factories.orders import OrderFactory


class PaymentFactory(TenantFactory):
    order = factory.SubFactory(OrderFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("order.client")
    amount_cents = factory.SelfAttribute("order.total_amount_cents")
    currency = factory.SelfAttribute("account.currency")
    method = Payment.Method.CASH

    class Meta:
        model = Payment
