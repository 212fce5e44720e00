"""What can go wrong with a sale."""

from apps.core.errors import DomainError


class PackageEmpty(DomainError):
    """The package has no sessions to sell."""

    code = "package_empty"
    default_message = "This package has no items yet and cannot be sold."


class NotForSale(DomainError):
    """The package or service is not active; the site belongs to somebody, is being sold (``order``: by your own order) or not in use."""

    code = "not_for_sale"
    default_message = "This is not for sale at the moment."


class SignInFirst(DomainError):
    """A guest may not buy this under the address of somebody who has a login."""

    code = "not_authenticated"
    status = 401
    default_message = "There is a login with this address. Please sign in first."


class MethodNotOffered(DomainError):
    """Clients of this business cannot pay this way online."""

    code = "method_not_offered"
    default_message = "This way of paying is not offered online."


class NothingToRefund(DomainError):
    """Every session of the order is used or was cancelled, and nothing was paid too much."""

    code = "nothing_to_refund"
    default_message = "There is nothing left on this order that could be refunded."
