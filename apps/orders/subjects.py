"""What orders know of a person. They are records of business: the rows stay, and name nobody by themselves."""

from apps.core.subjects import ERASED, blanked, kept, told
from apps.orders.models import Order, OrderLine, PackagePause

LAW = "records of business, kept until the retention period ends"

kept(Order, "client", "payer", because=LAW)
blanked(PackagePause, "order__client", reason=ERASED)

told("orders", Order, "client", "payer")
told("order_lines", OrderLine, "order__client")
told("package_pauses", PackagePause, "order__client")
