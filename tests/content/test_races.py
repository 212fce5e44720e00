"""Readers who like, and writers who name, the same thing at the same moment."""

from collections import Counter

import pytest
from django.db import transaction

from apps.content.models import BlogLike, BlogPost, Faq
from apps.content.services import posts
from apps.content.services.comments import like_post
from apps.content.services.pages import update_faq
from apps.content.services.posts import create_post
from apps.core.errors import NotFound
from apps.core.tenancy import account_scope
from factories.accounts import AccountFactory
from factories.content import BlogPostFactory, FaqFactory
from factories.users import UserFactory
from tests.payments.test_wallet_race import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_eight_likes_of_one_reader_at_once_are_one():
    post, user = BlogPostFactory(), UserFactory()

    def like():
        with account_scope(post.account), transaction.atomic():
            like_post(post, user=user)

    assert at_once([like] * 8) == {"ok": 8}
    with account_scope(post.account):
        assert BlogLike.objects.filter(post=post, user=user).count() == 1


def eight_of_one_name() -> tuple[Counter[str], set[str]]:
    account = AccountFactory()

    def write():
        with account_scope(account), transaction.atomic():
            create_post(account_id=account.pk, title="Spring is here")

    ends = at_once([write] * 8)
    with account_scope(account):
        return ends, set(BlogPost.objects.values_list("slug", flat=True))


def test_posts_of_one_title_at_once_get_names_of_their_own():
    ends, slugs = eight_of_one_name()

    assert ends == {"ok": 8}
    assert slugs == {"spring-is-here", *(f"spring-is-here-{number}" for number in range(2, 9))}


def test_negative_control_with_one_attempt_some_find_their_name_taken(monkeypatch):
    monkeypatch.setattr(posts, "ATTEMPTS", 1)

    assert any(eight_of_one_name()[0] != {"ok": 8} for _ in range(5))  # a race has to be lost once


def test_an_answer_that_is_deleted_while_it_is_changed_is_not_found():
    faq = FaqFactory()
    with account_scope(faq.account), transaction.atomic():
        Faq.objects.filter(pk=faq.pk).delete()

        with pytest.raises(NotFound):
            update_faq(faq, question="Still there?")
