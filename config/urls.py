"""Every address. The role is the prefix: /api/ staff, /api/customer/, /api/public/<slug>/."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns = [
    # Sign-in first: invitations/accept/ is nobody's id.
    path("api/", include("apps.accounts.api.session.urls")),
    path("api/", include("apps.accounts.api.staff.urls")),
    path("api/customer/", include("apps.users.api.customer.urls")),
    path("api/customer/", include("apps.sites.api.customer.urls")),
    path("api/customer/", include("apps.bookings.api.customer.urls")),
    path("api/customer/", include("apps.payments.api.customer.urls")),
    path("api/customer/", include("apps.checkout.api.customer.urls")),
    path("api/customer/", include("apps.tickets.api.customer.urls")),
    path("api/customer/", include("apps.notifications.api.customer.urls")),
    path("api/customer/", include("apps.integrations.api.customer.urls")),
    path("api/customer/", include("apps.clients.api.customer.urls")),
    path("api/public/<slug:slug>/", include("apps.clients.api.public.urls")),
    path("api/public/<slug:slug>/", include("apps.catalog.api.public.urls")),
    path("api/public/<slug:slug>/", include("apps.packages.api.public.urls")),
    path("api/public/<slug:slug>/", include("apps.bookings.api.public.urls")),
    path("api/public/<slug:slug>/", include("apps.checkout.api.public.urls")),
    path("api/public/<slug:slug>/", include("apps.content.api.public.urls")),
    path("api/public/<slug:slug>/", include("apps.integrations.api.public.urls")),
    path("api/webhooks/", include("apps.payments.api.webhooks.urls")),
    path("api/", include("apps.clients.api.staff.urls")),
    path("api/", include("apps.catalog.api.staff.urls")),
    path("api/", include("apps.packages.api.staff.urls")),
    path("api/", include("apps.sites.api.staff.urls")),
    path("api/", include("apps.scheduling.api.staff.urls")),
    path("api/", include("apps.bookings.api.staff.urls")),
    path("api/", include("apps.payments.api.staff.urls")),
    path("api/", include("apps.checkout.api.staff.urls")),
    path("api/", include("apps.tickets.api.staff.urls")),
    path("api/", include("apps.content.api.staff.urls")),
    path("api/", include("apps.notifications.api.staff.urls")),
    path("api/", include("apps.integrations.api.staff.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(), name="docs"),
    path("_allauth/", include("allauth.headless.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "apps.core.api.errors.bad_request"
handler403 = "apps.core.api.errors.permission_denied"
handler404 = "apps.core.api.errors.not_found"
handler500 = "apps.core.api.errors.server_error"
