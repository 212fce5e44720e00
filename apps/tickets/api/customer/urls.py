from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.tickets.api.customer.views import OwnTicketAttachmentViewSet, OwnTicketViewSet

router = SimpleRouter()
router.register("tickets", OwnTicketViewSet, basename="customer-ticket")
router.register("ticket-attachments", OwnTicketAttachmentViewSet, basename="customer-ticket-attachment")
urlpatterns = [
    *router.urls,
    path(
        "ticket-categories/",
        OwnTicketViewSet.as_view({"get": "categories"}, basename="customer-ticket"),
        name="customer-ticket-categories",
    ),
]
