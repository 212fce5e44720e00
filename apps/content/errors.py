"""What content does not allow."""

from apps.core.errors import DomainError


class CommentsClosed(DomainError):
    """Comments are closed for this post, or for all posts of the account."""

    code = "comments_closed"
    default_message = "Comments are closed here."


class ReviewNotPublished(DomainError):
    """A testimonial can quote a review only while everybody may read that."""

    code = "review_not_published"
    default_message = "This review is not published. Publish it before you quote it."
