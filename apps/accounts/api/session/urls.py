from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.accounts.api.session.views import AcceptInvitationView, AccountsView, ClaimView, MeView, TokenViewSet

router = SimpleRouter()
router.register("auth/tokens", TokenViewSet, basename="token")
urlpatterns = [
    *router.urls,
    path("auth/claim/", ClaimView.as_view({"post": "create"}, basename="claim"), name="claim"),
    path("me/", MeView.as_view({"get": "retrieve", "patch": "partial_update"}, basename="me"), name="me"),
    path("accounts/", AccountsView.as_view({"post": "create"}, basename="new-account"), name="new-account"),
    path(
        "invitations/accept/",
        AcceptInvitationView.as_view({"post": "create"}, basename="accept-invitation"),
        name="accept-invitation",
    ),
]
