from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "apps.orders"

    def ready(self) -> None:
        from apps.accounts.deletion import keeps_account
        from apps.orders import doctor, events  # noqa: F401  registers invariants and events
        from apps.orders.models import Order

        keeps_account(lambda: Order.objects.exists())
