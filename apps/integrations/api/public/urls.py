from django.urls import path

from apps.integrations.api.public.feeds import CalendarViewSet

urlpatterns = [
    path("calendar/<str:secret>.ics/", CalendarViewSet.as_view({"get": "retrieve"}, basename="public-calendar"), name="public-calendar"),
]
