"""What the site rules refuse, with the codes of source 003 and blueprint.md."""

from apps.core.errors import DomainError


class NoSite(DomainError):
    """The customer owns no site in use. 404 where their site was asked for, 400 (``wanted``) where something is about one of their sites."""

    code = "no_site"
    status = 404
    default_message = "You do not own a site."

    def __init__(self, *, wanted: bool = False) -> None:
        super().__init__()
        if wanted:
            vars(self)["status"] = 400


class SiteNotOwned(DomainError):
    """The site is somebody else's, in another business or nowhere: the same answer for all three."""

    code = "site_not_owned"
    status = 403
    default_message = "You do not own this site."


class SiteSelectionRequired(DomainError):
    """The customer owns several sites; ``sites`` lists them, the primary one first."""

    code = "site_selection_required"
    status = 400
    default_message = "You own multiple sites. Please select which site this ticket is for."


class DuplicateOwnership(DomainError):
    """The customer owns this site already."""

    code = "duplicate_ownership"
    default_message = "This customer owns the site already."
