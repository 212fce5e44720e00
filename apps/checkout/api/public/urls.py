from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.checkout.api.public.views import PublicAccountView, PublicCheckoutViewSet, PublicPaymentViewSet

router = SimpleRouter()
router.register("checkout", PublicCheckoutViewSet, basename="public-checkout")
router.register("payments", PublicPaymentViewSet, basename="public-payment")
urlpatterns = [path("", PublicAccountView.as_view({"get": "retrieve"}, basename="public-account"), name="public-account"), *router.urls]
