from rest_framework.routers import SimpleRouter

from apps.scheduling.api.staff.calendars import ExternalCalendarViewSet
from apps.scheduling.api.staff.views import DateOverrideViewSet, TimeOffViewSet, WeeklyHoursViewSet

router = SimpleRouter()
router.register("weekly-hours", WeeklyHoursViewSet, basename="weekly-hours")
router.register("date-overrides", DateOverrideViewSet, basename="date-override")
router.register("time-off", TimeOffViewSet, basename="time-off")
router.register("external-calendars", ExternalCalendarViewSet, basename="external-calendar")
urlpatterns = router.urls
