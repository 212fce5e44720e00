from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """The admin with our site: every page runs inside the scope of one account."""

    default_site = "apps.accounts.admin_site.ClienteleAdminSite"
