from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.users.api.customer.views import AddressViewSet, ProfileView

router = SimpleRouter()
router.register("addresses", AddressViewSet, basename="customer-address")
urlpatterns = [
    path("me/", ProfileView.as_view({"get": "retrieve", "patch": "partial_update"}, basename="customer-me"), name="customer-me"),
    *router.urls,
]
