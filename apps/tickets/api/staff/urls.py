from rest_framework.routers import SimpleRouter

from apps.tickets.api.staff.views import (
    SlaTargetViewSet,
    SupportHoursViewSet,
    TicketAttachmentViewSet,
    TicketCategoryViewSet,
    TicketViewSet,
)

router = SimpleRouter()
router.register("tickets", TicketViewSet, basename="ticket")
router.register("ticket-attachments", TicketAttachmentViewSet, basename="ticket-attachment")
router.register("ticket-categories", TicketCategoryViewSet, basename="ticket-category")
router.register("sla-targets", SlaTargetViewSet, basename="sla-target")
router.register("support-hours", SupportHoursViewSet, basename="support-hours")
urlpatterns = router.urls
