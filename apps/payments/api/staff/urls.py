from rest_framework.routers import SimpleRouter

from apps.payments.api.staff.bank import BankLineViewSet, BankStatementViewSet
from apps.payments.api.staff.gift_codes import GiftCodeViewSet
from apps.payments.api.staff.invoices import CreditNoteViewSet, InvoiceViewSet
from apps.payments.api.staff.ledger import ClientStatementViewSet, LedgerViewSet
from apps.payments.api.staff.online import ProviderAccountViewSet, ProviderEventViewSet
from apps.payments.api.staff.refunds import DisputeViewSet, RefundViewSet
from apps.payments.api.staff.terms import CouponViewSet, DepositRuleViewSet
from apps.payments.api.staff.views import PaymentViewSet
from apps.payments.api.staff.wallets import WalletViewSet

router = SimpleRouter()
router.register("payments", PaymentViewSet, basename="payment")
router.register("refunds", RefundViewSet, basename="refund")
router.register("disputes", DisputeViewSet, basename="dispute")
router.register("provider-accounts", ProviderAccountViewSet, basename="provider-account")
router.register("provider-events", ProviderEventViewSet, basename="provider-event")
router.register("wallets", WalletViewSet, basename="wallet")
router.register("gift-codes", GiftCodeViewSet, basename="gift-code")
router.register("invoices", InvoiceViewSet, basename="invoice")
router.register("credit-notes", CreditNoteViewSet, basename="credit-note")
router.register("bank-statements", BankStatementViewSet, basename="bank-statement")
router.register("bank-lines", BankLineViewSet, basename="bank-line")
router.register("ledger", LedgerViewSet, basename="ledger")
router.register("clients", ClientStatementViewSet, basename="client-statement")
router.register("coupons", CouponViewSet, basename="coupon")
router.register("deposit-rules", DepositRuleViewSet, basename="deposit-rule")
urlpatterns = router.urls
