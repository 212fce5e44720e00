from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "apps.orders"

    def ready(self) -> None:
        from apps.accounts.deletion import keeps_account
        from apps.orders import (  # noqa: F401  registers invariants, events, what becomes of merged clients, and what segments may ask
            doctor,
            events,
            merging,
            segments,
            subjects,
        )
        from apps.orders.models import Order

        keeps_account(lambda: Order.objects.exists())
