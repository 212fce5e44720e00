from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.users.api.customer.views import AddressViewSet, PictureView, ProfileView

router = SimpleRouter()
router.register("addresses", AddressViewSet, basename="customer-address")
urlpatterns = [
    path(
        "me/image/",
        PictureView.as_view({"get": "retrieve", "post": "create", "delete": "destroy"}, basename="customer-picture"),
        name="customer-picture",
    ),
    path("me/", ProfileView.as_view({"get": "retrieve", "patch": "partial_update"}, basename="customer-me"), name="customer-me"),
    *router.urls,
]
