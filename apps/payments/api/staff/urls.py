from rest_framework.routers import SimpleRouter

from apps.payments.api.staff.views import PaymentViewSet

router = SimpleRouter()
router.register("payments", PaymentViewSet, basename="payment")
urlpatterns = router.urls
