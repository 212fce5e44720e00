from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """The admin with our site: scoped to the staff member's account."""

    default_site = "apps.core.admin_site.ClienteleAdminSite"
