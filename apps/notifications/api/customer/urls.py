from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.notifications.api.customer.stream import OwnStreamView
from apps.notifications.api.customer.views import OwnNotificationViewSet, OwnPreferencesView

router = SimpleRouter()
router.register("notifications", OwnNotificationViewSet, basename="customer-notification")
stream = OwnStreamView.as_view({"post": "create"}, basename="customer-notification-stream")
one = {"get": "retrieve", "patch": "partial_update"}
urlpatterns = [
    path(
        "notifications/preferences/",
        OwnPreferencesView.as_view(one, basename="customer-notification-preferences"),
        name="customer-notification-preferences",
    ),
    path("notifications/stream/", stream, name="customer-notification-stream"),  # first: not the id of a notification
    *router.urls,
]
