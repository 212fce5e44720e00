from collections.abc import Callable

from django.http import HttpResponseBase
from django.urls import path

from apps.sites.api.customer.views import OwnSiteViewSet, OwnTransferViewSet


def _own(**actions: str) -> Callable[..., HttpResponseBase]:
    return OwnSiteViewSet.as_view(actions, basename="customer-site")


def _offers(**actions: str) -> Callable[..., HttpResponseBase]:
    return OwnTransferViewSet.as_view(actions, basename="customer-site-transfer")


urlpatterns = [
    path("my-sites/", _own(get="mine"), name="customer-sites"),
    path("my-site/", _own(get="primary"), name="customer-site"),
    path("my-sites/<str:pk>/set-primary/", _own(post="set_primary"), name="customer-site-set-primary"),
    path("my-sites/<str:pk>/accept/", _offers(post="accept"), name="customer-site-accept"),
    path("my-sites/<str:pk>/decline/", _offers(post="decline"), name="customer-site-decline"),
    path("site-transfers/", _offers(get="list"), name="customer-site-transfers"),
]
