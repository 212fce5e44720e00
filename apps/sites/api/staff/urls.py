from collections.abc import Callable

from django.http import HttpResponseBase
from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.sites.api.staff.views import SiteOwnerViewSet, SiteViewSet


def _owners(**actions: str) -> Callable[..., HttpResponseBase]:
    return SiteOwnerViewSet.as_view(actions, basename="site-owner")


router = SimpleRouter()
router.register("sites", SiteViewSet, basename="site")
urlpatterns = [
    *router.urls,
    path("sites/<str:pk>/owners/", _owners(get="list", post="create"), name="site-owners"),
    path("sites/<str:pk>/owners/<str:customer>/", _owners(delete="destroy"), name="site-owner"),
    path("sites/<str:pk>/owners/<str:customer>/set-primary/", _owners(post="set_primary"), name="site-owner-set-primary"),
]
