from rest_framework.routers import SimpleRouter

from apps.clients.api.staff.views import ClientViewSet

router = SimpleRouter()
router.register("clients", ClientViewSet, basename="client")
urlpatterns = router.urls
