from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.notifications.api.staff.reminders import ReminderRuleViewSet, ReminderViewSet
from apps.notifications.api.staff.stream import StreamView
from apps.notifications.api.staff.views import DeliveryViewSet, NotificationViewSet, PreferencesView, SenderIdentityView

router = SimpleRouter()
router.register("notifications", NotificationViewSet, basename="notification")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("reminder-rules", ReminderRuleViewSet, basename="reminder-rule")
router.register("reminders", ReminderViewSet, basename="reminder")
stream = StreamView.as_view({"post": "create"}, basename="notification-stream")
one = {"get": "retrieve", "patch": "partial_update"}
urlpatterns = [
    path(
        "notifications/preferences/",
        PreferencesView.as_view(one, basename="notification-preferences"),
        name="notification-preferences",
    ),
    path("sender-identity/", SenderIdentityView.as_view(one, basename="sender-identity"), name="sender-identity"),
    path("notifications/stream/", stream, name="notification-stream"),  # first: not the id of a notification
    *router.urls,
]
