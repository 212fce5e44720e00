"""What a client was sent, when they are merged into another."""

from apps.core.merging import follows
from apps.notifications.models import Delivery

follows(Delivery, "client")
