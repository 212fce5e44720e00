"""What can go wrong with a sale."""

from apps.core.errors import DomainError


class PackageEmpty(DomainError):
    """The package has no sessions to sell."""

    code = "package_empty"
    default_message = "This package has no items yet and cannot be sold."


class NotForSale(DomainError):
    """The package or service is not active."""

    code = "not_for_sale"
    default_message = "This is not for sale at the moment."
