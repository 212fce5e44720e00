from rest_framework.routers import SimpleRouter

from apps.checkout.api.staff.quote import CheckoutQuoteViewSet
from apps.checkout.api.staff.views import CheckoutViewSet, ClientPackageViewSet, OrderViewSet
from apps.checkout.api.staff.waitlist import WaitlistOfferViewSet, WaitlistViewSet

router = SimpleRouter()
router.register("checkout", CheckoutViewSet, basename="checkout")
router.register("checkout/quote", CheckoutQuoteViewSet, basename="checkout-quote")
router.register("orders", OrderViewSet, basename="order")
router.register("client-packages", ClientPackageViewSet, basename="client-package")
router.register("waitlist", WaitlistViewSet, basename="waitlist")
router.register("waitlist-offers", WaitlistOfferViewSet, basename="waitlist-offer")
urlpatterns = router.urls
