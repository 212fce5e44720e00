from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.payments.api.customer.referral import ReferralView
from apps.payments.api.customer.wallet import OwnTransactionViewSet, OwnWalletViewSet

router = SimpleRouter()
router.register("wallet/transactions", OwnTransactionViewSet, basename="customer-wallet-transaction")
router.register("wallet", OwnWalletViewSet, basename="customer-wallet")
urlpatterns = [
    # One entry per business, not pages of rows.
    path("wallet/", OwnWalletViewSet.as_view({"get": "mine"}, basename="customer-wallet"), name="customer-wallet"),
    path("referral/", ReferralView.as_view({"get": "retrieve", "post": "create"}, basename="customer-referral"), name="customer-referral"),
    *router.urls,
]
