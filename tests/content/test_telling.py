"""Managers hear of comments."""

import pytest

from apps.content.services.comments import write_comment
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.notifications.models import Kind, Notification
from apps.notifications.services.speaking import MOST_COMMENTS, speak
from factories.accounts import MembershipFactory
from factories.content import BlogCommentFactory, BlogPostFactory
from factories.users import CustomerFactory


@pytest.fixture
def post(account):
    MembershipFactory(account=account)
    MembershipFactory(account=account, role="front_desk")
    return BlogPostFactory(account=account, title="Breaks")


def told(account):
    with account_scope(account):
        return list(Notification.objects.order_by("pk").values_list("kind", "title", "message", "action_url"))


def said(post, **who):
    with account_scope(post.account):
        comment = write_comment(post, body="Secret words", account=post.account, **who)
        speak(Event.objects.get(type="comment.created", subject_id=comment.pk))
    return comment


def test_managers_hear_that_a_comment_waits_and_not_what_it_says(post):
    comment = said(post, author_name="Ada", author_email="a@example.org")

    assert told(post.account) == [
        (
            Kind.COMMENT_RECEIVED,
            "A comment waits for you: Breaks",
            "Ada has commented on “Breaks”. It is shown once somebody has approved it.",
            f"/comments/{comment.pk}",
        )
    ]


def test_of_a_comment_that_is_shown_at_once_they_hear_that_it_is_there(post):
    customer = CustomerFactory()
    BlogCommentFactory(account=post.account, customer=customer)

    said(post, author_name="Ada", customer=customer)

    assert [(title, message) for _, title, message, _ in told(post.account)] == [("New comment: Breaks", "Ada has commented on “Breaks”.")]


@pytest.mark.parametrize(("before", "heard"), [(MOST_COMMENTS - 1, 1), (MOST_COMMENTS, 0)])
def test_of_a_flood_of_comments_the_first_ones_are_told(post, before, heard):
    BlogCommentFactory.create_batch(before, account=post.account, post=post, status="pending")

    said(post, author_name="Ada", author_email="a@example.org")

    assert len(told(post.account)) == heard
