from rest_framework.routers import SimpleRouter

from apps.checkout.api.staff.views import CheckoutViewSet, ClientPackageViewSet, OrderViewSet

router = SimpleRouter()
router.register("checkout", CheckoutViewSet, basename="checkout")
router.register("orders", OrderViewSet, basename="order")
router.register("client-packages", ClientPackageViewSet, basename="client-package")
urlpatterns = router.urls
