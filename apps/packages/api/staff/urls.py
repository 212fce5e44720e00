from rest_framework.routers import SimpleRouter

from apps.packages.api.staff.views import PackageViewSet

router = SimpleRouter()
router.register("packages", PackageViewSet, basename="package")
urlpatterns = router.urls
