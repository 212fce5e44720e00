from rest_framework.routers import SimpleRouter

from apps.clients.api.public.views import AccessLinkViewSet

router = SimpleRouter()
router.register("access-links", AccessLinkViewSet, basename="public-access-link")
urlpatterns = router.urls
