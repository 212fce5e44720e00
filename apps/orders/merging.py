"""Orders of a client who is merged into another."""

from apps.core.merging import follows
from apps.orders.models import Order

follows(Order, "client", "payer")
