from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.accounts.api.staff.events import EventLogView
from apps.accounts.api.staff.views import AccountView, InvitationViewSet, MemberViewSet, SettingsView

router = SimpleRouter()
router.register("members", MemberViewSet, basename="member")
router.register("invitations", InvitationViewSet, basename="invitation")
one = {"get": "retrieve", "patch": "partial_update"}
urlpatterns = [
    path("account/", AccountView.as_view({**one, "delete": "destroy"}, basename="account"), name="account"),
    path("account/settings/", SettingsView.as_view(one, basename="account-settings"), name="account-settings"),
    path("events/", EventLogView.as_view({"get": "list"}, basename="event"), name="events"),
    *router.urls,
]
