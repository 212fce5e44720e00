"""What happens to money: ``collecting`` expects and takes it in, ``settling`` follows what providers say, ``ledger`` keeps the books."""

from apps.payments.services.collecting import create_payment, record_paid
from apps.payments.services.settling import cancel_pending_payments, mark_received

__all__ = ["cancel_pending_payments", "create_payment", "mark_received", "record_paid"]
