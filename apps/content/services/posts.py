"""Writing posts and showing them: now, at a time, or no longer."""

from datetime import datetime
from itertools import count
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

from apps.accounts.models import Membership
from apps.content.models import MAX_SLUG, BlogPost
from apps.content.sanitising import POLICY_VERSION, article_html
from apps.core.db import constraint_error, joined
from apps.core.errors import Invalid, InvalidTransition, NotFound
from apps.core.events import emit

UNIQUE_SLUG = "content_blogpost_unique_slug"
ATTEMPTS = 20
ROOM = 8
"""Characters of a slug that are kept for a number behind it."""


def post_actions(status: str) -> list[str]:
    """What staff may do with a post in this state, as the last part of the action's address."""
    return {
        BlogPost.Status.DRAFT.value: ["publish", "schedule", "archive"],
        BlogPost.Status.SCHEDULED.value: ["publish", "schedule", "archive"],
        BlogPost.Status.PUBLISHED.value: ["archive"],
        BlogPost.Status.ARCHIVED.value: ["publish", "schedule"],
    }[status]


@joined
def create_post(
    *, account_id: int, title: str, body: str = "", slug: str = "", author: Membership | None = None, **fields: Any
) -> BlogPost:
    """A draft. Without ``slug`` it gets one made of the title, with a number behind it where that is taken.

    A slug that was asked for and is taken breaks the constraint ``content_blogpost_unique_slug``.
    """
    values = {**fields, "title": title, "body": body, "author": author, **_rendered(body)}
    post = BlogPost.objects.create(account_id=account_id, slug=slug, **values) if slug else _create_named(account_id, values)
    emit("post.created", post, changes={"slug": [None, post.slug]})
    return post


class _Taken(Exception):
    """Somebody else has just taken this slug."""


def _create_named(account_id: int, values: dict[str, Any]) -> BlogPost:
    for attempt in range(ATTEMPTS):
        try:
            with constraint_error({UNIQUE_SLUG: _Taken}):
                return BlogPost.objects.create(account_id=account_id, slug=_free_slug(account_id, values["title"]), **values)
        except _Taken as taken:
            last = taken if attempt == ATTEMPTS - 1 else None
    raise Invalid(fields={"slug": ["Another post has this slug already."]}) from last


def _free_slug(account_id: int, title: str) -> str:
    """The title in small Latin letters; of a title in another script, "post"."""
    stem = slugify(title).replace("_", "-")[: MAX_SLUG - ROOM]
    stem = "-".join(part for part in stem.split("-") if part) or "post"
    taken = set(BlogPost.objects.filter(account_id=account_id, slug__startswith=stem).values_list("slug", flat=True))
    return stem if stem not in taken else next(name for n in count(2) if (name := f"{stem}-{n}") not in taken)


@joined
def update_post(post: BlogPost, **fields: Any) -> BlogPost:
    """Change what is given, in every state; HTML follows the text."""
    rendered = _rendered(fields["body"]) if "body" in fields else {}  # before the lock: it may take a second
    post = _locked(post)
    changed = sorted(name for name, value in fields.items() if getattr(post, name) != value)
    if not changed and not rendered:
        return post
    changes: dict[str, Any] = {"fields": [None, changed]}
    if "slug" in changed:
        changes["slug"] = [post.slug, fields["slug"]]
    for name, value in {**fields, **rendered}.items():
        setattr(post, name, value)
    post.save(update_fields=[*fields, *rendered, "updated_at"])
    if changed:
        emit("post.updated", post, changes=changes)
    return post


@joined
def publish_post(post: BlogPost, *, at: datetime | None = None) -> BlogPost:
    """Show a post to everybody from now on. One that was shown before keeps its date. Raises InvalidTransition."""
    at = at or timezone.now()
    post = _may(_locked(post), "publish")
    first = post.published_at if post.published_at is not None and post.published_at <= at else at
    return _turn(post, "post.published", BlogPost.Status.PUBLISHED, first)


@joined
def schedule_post(post: BlogPost, *, published_at: datetime, at: datetime | None = None) -> BlogPost:
    """Show a post from a time on; until then it is shown to nobody. Raises InvalidTransition, and Invalid for a time that is not ahead."""
    at = at or timezone.now()
    post = _may(_locked(post), "schedule")
    if published_at <= at:
        raise Invalid(fields={"published_at": ["Send a time that lies ahead."]})
    return _turn(post, "post.scheduled", BlogPost.Status.SCHEDULED, published_at)


@joined
def archive_post(post: BlogPost) -> BlogPost:
    """Show a post to nobody any more; its comments and likes stay with it. Raises InvalidTransition."""
    post = _may(_locked(post), "archive")
    return _turn(post, "post.archived", BlogPost.Status.ARCHIVED, post.published_at)


@joined
def publish_if_due(post_id: int, *, at: datetime) -> bool:
    """The time of a scheduled post has come: write it down and say so, once. It has been shown since that time anyway."""
    post = (
        BlogPost.objects.select_for_update(no_key=True).filter(pk=post_id, status=BlogPost.Status.SCHEDULED, published_at__lte=at).first()
    )
    if post is None:
        return False
    _turn(post, "post.published", BlogPost.Status.PUBLISHED, post.published_at)
    return True


@joined
def delete_post(post: BlogPost) -> None:
    """Delete a post with its comments and likes."""
    post = _locked(post)
    emit("post.deleted", post, changes={"slug": [post.slug, None]})
    post.delete()


def _locked(post: BlogPost) -> BlogPost:
    found = BlogPost.objects.select_for_update(no_key=True).filter(pk=post.pk).first()
    if found is None:  # deleted since it was read
        raise NotFound
    return found


def _may(post: BlogPost, action: str) -> BlogPost:
    if action not in post_actions(post.status):
        raise InvalidTransition(allowed_actions=post_actions(post.status))
    return post


def _turn(post: BlogPost, event: str, status: BlogPost.Status, published_at: datetime | None) -> BlogPost:
    """Write the new state and say what has changed."""
    changes: dict[str, Any] = {"status": [post.status, status.value]}
    if event != "post.archived":
        changes["published_at"] = [_iso(post.published_at), _iso(published_at)]
    post.status, post.published_at = status, published_at
    post.save(update_fields=["status", "published_at", "updated_at"])
    emit(event, post, changes=changes)
    return post


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _rendered(body: str) -> dict[str, Any]:
    return {"body_html": article_html(body), "policy_version": POLICY_VERSION}


__all__ = ["archive_post", "create_post", "delete_post", "post_actions", "publish_if_due", "publish_post", "schedule_post", "update_post"]
