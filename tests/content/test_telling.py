"""Managers hear of comments."""

import pytest
from django.db import transaction

from apps.clients.services.people import erase_person
from apps.clients.services.subjects import erase_client
from apps.content.services.comments import write_comment
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.notifications.models import Delivery, Kind, Notification
from apps.notifications.services.speaking import MOST_COMMENTS, speak
from factories.accounts import MembershipFactory
from factories.clients import ClientFactory
from factories.content import BlogCommentFactory, BlogPostFactory
from factories.notifications import NotificationFactory
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


def naming(account, name):
    with account_scope(account):
        return (Notification.objects.filter(message__contains=name).count(), Delivery.objects.filter(text__contains=name).count())


@pytest.mark.parametrize("door", ["account", "login"])
def test_what_managers_were_told_of_an_erased_persons_comments_goes_too(post, door):
    reader = CustomerFactory(user__email="zeb@canary.example", full_name="Zebulon")
    said(post, author_name="Zebulon", author_email="zeb@canary.example")
    NotificationFactory(account=post.account, message="Ada has commented.")
    assert (naming(post.account, "Zebulon"), naming(post.account, "Ada")) == ((1, 1), (1, 0))

    if door == "login":  # of somebody who is no client here
        with transaction.atomic():
            erase_person(reader.user)
    else:
        client = ClientFactory(account=post.account, full_name="Zebulon", email="zeb@canary.example")
        with account_scope(post.account), transaction.atomic():
            erase_client(client)

    assert (naming(post.account, "Zebulon"), naming(post.account, "Ada")) == ((0, 0), (1, 0))
