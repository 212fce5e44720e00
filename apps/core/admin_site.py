from unfold.sites import UnfoldAdminSite


class ClienteleAdminSite(UnfoldAdminSite):
    """The admin; apps.core.admin scopes what it shows."""

    site_header = "Clientele"
    site_title = "Clientele"
