"""Money that came when nobody waited for it any more (rules.md §4)."""

import logging

from django.utils import timezone

from apps.core.db import joined
from apps.orders.services import lock_order
from apps.payments.errors import NoWallet
from apps.payments.models import Payment, Refund
from apps.payments.services.refunds import overpaid_cents, request_refund
from apps.payments.services.settling import late_money
from apps.payments.services.wallet import wallet_of

logger = logging.getLogger(__name__)


@joined
def return_late_money(payment: Payment) -> Refund | None:
    """Give back what the order of a late payment does not need, up to that payment. Settling has voided a single session that lost its
    start; a package's session can still get another one, so its money stays. Without a login there is no wallet: then it stays, too.
    """
    order = lock_order(payment.order_id)
    wish = late_money(order)
    if wish == "keep":
        return None
    if wish == "credit":
        try:
            wallet_of(payment.client)
        except NoWallet:
            logger.info("late payment %s stays on its order: the client has no wallet", payment.pk)
            return None
    payment.refresh_from_db()
    amount = min(payment.refundable_cents, overpaid_cents(order))
    if not amount:
        return None
    refund = request_refund(payment, amount_cents=amount, reason="Paid too late", to_wallet=wish == "credit")
    if refund.next_check_at is not None:  # the reconciler tells the provider, outside this transaction
        refund.next_check_at = timezone.now()
        refund.save(update_fields=["next_check_at", "updated_at"])
    return refund
