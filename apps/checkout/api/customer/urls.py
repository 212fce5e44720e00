from rest_framework.routers import SimpleRouter

from apps.checkout.api.customer.views import OwnInvoiceViewSet, OwnOrderViewSet, OwnPackageViewSet, OwnPaymentViewSet

router = SimpleRouter()
router.register("orders", OwnOrderViewSet, basename="customer-order")
router.register("packages", OwnPackageViewSet, basename="customer-package")
router.register("payments", OwnPaymentViewSet, basename="customer-payment")
router.register("invoices", OwnInvoiceViewSet, basename="customer-invoice")
urlpatterns = router.urls
