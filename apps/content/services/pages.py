"""Questions with their answers, and what people say about the business."""

from typing import Any

from apps.bookings.models import Review
from apps.content.errors import ReviewNotPublished
from apps.content.models import Faq, Testimonial
from apps.content.sanitising import POLICY_VERSION, article_html
from apps.core.db import joined
from apps.core.errors import Invalid, NotFound

NOT_IN_THE_REVIEW = "A testimonial of a review quotes it: send words that stand in its comment, or leave the text out."


@joined
def create_faq(*, account_id: int, body: str, **fields: Any) -> Faq:
    """A question with its answer in Markdown."""
    return Faq.objects.create(account_id=account_id, body=body, **_rendered(body), **fields)


@joined
def update_faq(faq: Faq, **fields: Any) -> Faq:
    """Change what is given; the HTML follows the answer."""
    values = {**fields, **(_rendered(fields["body"]) if "body" in fields else {})}  # before the lock: it may take a second
    locked = Faq.objects.select_for_update(no_key=True).filter(pk=faq.pk).first()
    if locked is None:  # deleted since it was read
        raise NotFound
    for name, value in values.items():
        setattr(locked, name, value)
    if values:
        locked.save(update_fields=[*values, "updated_at"])
    return locked


@joined
def create_testimonial(*, account_id: int, body: str = "", review: Review | None = None, **fields: Any) -> Testimonial:
    """What somebody says. Of a published ``review`` it is a quotation: all of its comment, or the part that ``body`` is.

    Raises ReviewNotPublished, and Invalid for words that the review does not have.
    """
    return Testimonial.objects.create(account_id=account_id, review=review, body=_said(body, review), **fields)


@joined
def update_testimonial(testimonial: Testimonial, **fields: Any) -> Testimonial:
    """Change what is given. Words and review must go together as they do at ``create_testimonial``."""
    locked = Testimonial.objects.select_for_update(no_key=True).filter(pk=testimonial.pk).first()
    if locked is None:  # deleted since it was read
        raise NotFound
    if {"body", "review"} & fields.keys():
        fields["body"] = _said(fields.get("body", locked.body), fields.get("review", locked.review))
    for name, value in fields.items():
        setattr(locked, name, value)
    if fields:
        locked.save(update_fields=[*fields, "updated_at"])
    return locked


def _said(body: str, review: Review | None) -> str:
    """The text of a testimonial, which is the review's own where it has one."""
    if review is None:
        if not body.strip():
            raise Invalid(fields={"body": ["This field is required."]})
        return body
    if review.status != Review.Status.PUBLISHED:
        raise ReviewNotPublished
    text = body.strip() or review.comment
    if not text.strip() or _words(text) not in _words(review.comment):
        raise Invalid(fields={"body": [NOT_IN_THE_REVIEW]})
    return text


def _words(text: str) -> str:
    return " ".join(text.split())


def _rendered(body: str) -> dict[str, Any]:
    return {"body_html": article_html(body), "policy_version": POLICY_VERSION}


__all__ = ["create_faq", "create_testimonial", "update_faq", "update_testimonial"]
