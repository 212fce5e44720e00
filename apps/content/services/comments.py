"""Comments below posts and who likes them. Readers write; staff decide what is shown."""

from datetime import datetime

from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.content.errors import CommentsClosed
from apps.content.models import BlogComment, BlogLike, BlogPost
from apps.content.sanitising import POLICY_VERSION, comment_html
from apps.core.db import constraint_error, joined
from apps.core.errors import InvalidTransition, NotFound
from apps.core.events import emit
from apps.users.models import Customer, User

PENDING, APPROVED = BlogComment.Status.PENDING, BlogComment.Status.APPROVED
REJECTED, SPAM = BlogComment.Status.REJECTED, BlogComment.Status.SPAM

EVENTS = {APPROVED: "comment.approved", REJECTED: "comment.rejected", SPAM: "comment.marked_as_spam"}
ACTIONS = {"approve": APPROVED, "reject": REJECTED, "spam": SPAM}
LIKED_POST = "content_bloglike_post_account"


def comment_actions(status: str) -> list[str]:
    """What staff may do with a comment in this state, as the last part of the action's address."""
    return [action for action, target in ACTIONS.items() if target != status]


@joined
def write_comment(
    post: BlogPost,
    *,
    body: str,
    account: Account,
    author_name: str,
    author_email: str = "",
    customer: Customer | None = None,
) -> BlogComment:
    """A reader, signed in as ``customer`` or a guest with an address, says something below a post.

    It waits or is shown at once, as the account's ``comment_moderation`` says. Raises CommentsClosed; NotFound when the post is gone.
    """
    locked = BlogPost.objects.select_for_update(no_key=True).filter(pk=post.pk).first()  # it cannot be deleted meanwhile
    if locked is None:
        raise NotFound
    if not (locked.comments_open and setting(account, "comments_open")):
        raise CommentsClosed
    comment = BlogComment.objects.create(
        account_id=locked.account_id,
        post=locked,
        customer=customer,
        author_name=author_name,
        author_email="" if customer is not None else author_email,
        body=body,
        body_html=comment_html(body),
        policy_version=POLICY_VERSION,
        status=APPROVED if _passes(account, customer) else PENDING,
    )
    emit("comment.created", comment, changes={"post": [None, locked.pk], "status": [None, comment.status]})
    return comment


def _passes(account: Account, customer: Customer | None) -> bool:
    """Whether a comment is shown without somebody's look at it."""
    rule = setting(account, "comment_moderation")
    if rule == "newcomers":
        return customer is not None and _is_known(customer)
    return rule == "nobody"


def _is_known(customer: Customer) -> bool:
    """Staff have approved a comment of theirs, and called none spam."""
    found = set(BlogComment.objects.filter(customer=customer, status__in=(APPROVED, SPAM)).values_list("status", flat=True).distinct())
    return found == {APPROVED.value}


@joined
def approve_comment(comment: BlogComment, *, by: User | None = None, at: datetime | None = None) -> BlogComment:
    """Show a comment below its post. Raises InvalidTransition."""
    return _turn(comment, "approve", by, at)


@joined
def reject_comment(comment: BlogComment, *, by: User | None = None, at: datetime | None = None) -> BlogComment:
    """Do not show a comment. Raises InvalidTransition."""
    return _turn(comment, "reject", by, at)


@joined
def mark_as_spam(comment: BlogComment, *, by: User | None = None, at: datetime | None = None) -> BlogComment:
    """Do not show a comment, nor, without a look at them, further ones by the same customer. Raises InvalidTransition."""
    return _turn(comment, "spam", by, at)


@joined
def delete_comment(comment: BlogComment) -> None:
    """Delete a comment for good."""
    comment = _locked(comment)
    emit("comment.deleted", comment, changes={"post": [comment.post_id, comment.post_id]})
    comment.delete()


def _locked(comment: BlogComment) -> BlogComment:
    found = BlogComment.objects.select_for_update(no_key=True).filter(pk=comment.pk).first()
    if found is None:  # deleted since it was read
        raise NotFound
    return found


def _turn(comment: BlogComment, action: str, by: User | None, at: datetime | None) -> BlogComment:
    comment = _locked(comment)
    if action not in comment_actions(comment.status):
        raise InvalidTransition(allowed_actions=comment_actions(comment.status))
    before, comment.status = comment.status, ACTIONS[action]
    comment.moderated_by, comment.moderated_at = by, at or timezone.now()
    comment.save(update_fields=["status", "moderated_by", "moderated_at", "updated_at"])
    changes = {"post": [comment.post_id, comment.post_id], "status": [before, comment.status.value]}
    emit(EVENTS[comment.status], comment, changes=changes)
    return comment


@joined
def like_post(post: BlogPost, *, user: User) -> None:
    """The user likes a post; a second time changes nothing. Raises NotFound when the post is gone."""
    with constraint_error({LIKED_POST: NotFound}, savepoint=False):
        BlogLike.objects.bulk_create([BlogLike(account_id=post.account_id, post=post, user=user)], ignore_conflicts=True)


@joined
def unlike_post(post: BlogPost, *, user: User) -> None:
    """The user likes a post no longer; a second time changes nothing."""
    BlogLike.objects.filter(post=post, user=user).delete()


__all__ = [
    "approve_comment",
    "comment_actions",
    "delete_comment",
    "like_post",
    "mark_as_spam",
    "reject_comment",
    "unlike_post",
    "write_comment",
]
