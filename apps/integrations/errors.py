"""What can go wrong with integrations."""

from apps.core.errors import DomainError


class EndpointNotActive(DomainError):
    """Nothing is sent to a webhook endpoint that is paused or disabled; ``state`` says which."""

    code = "endpoint_not_active"
    default_message = "This endpoint is not active. Resume it first."


class TooManyEndpoints(DomainError):
    """The account has as many webhook endpoints as it can have; ``maximum`` says how many."""

    code = "too_many_endpoints"
    default_message = "This account cannot have more webhook endpoints."


class TooManyFeeds(DomainError):
    """A practitioner or client has as many calendar feeds as one may have."""

    code = "too_many_feeds"
    default_message = "There are ten calendar feeds already. Revoke one first."
