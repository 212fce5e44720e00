"""Every address. The role is the prefix: /api/ staff, /api/customer/, /api/public/<slug>/."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/", include("apps.packages.api.staff.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "apps.core.api.errors.bad_request"
handler403 = "apps.core.api.errors.permission_denied"
handler404 = "apps.core.api.errors.not_found"
handler500 = "apps.core.api.errors.server_error"
