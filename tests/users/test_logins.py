"""What becomes of a login that is erased, at businesses whose client it never was."""

import pytest
from django.db import transaction

from apps.accounts.models import Invitation
from apps.clients.services.people import erase_person
from apps.content.models import BlogComment, BlogLike
from apps.core.tenancy import platform_scope
from factories.accounts import InvitationFactory
from factories.content import BlogCommentFactory, BlogLikeFactory, BlogPostFactory
from factories.users import CustomerFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader():
    return CustomerFactory(user__email="zeb@canary.example", full_name="Zebulon Quagga")


def erase(reader):
    with transaction.atomic():
        erase_person(reader.user)


def test_comments_and_likes_go_wherever_they_are(account, other_account, reader):
    for one in (account, other_account):
        post = BlogPostFactory(account=one)
        BlogCommentFactory(account=one, post=post, customer=reader, author_name="Zebulon Quagga", author_email="")
        BlogCommentFactory(account=one, post=post, author_name="Zeb", author_email="zeb@canary.example")
        BlogCommentFactory(account=one, post=post, author_name="Somebody else")
        BlogLikeFactory(account=one, post=post, user=reader.user)

    erase(reader)

    with platform_scope("what is left"):
        assert list(BlogComment.objects.values_list("author_name", flat=True)) == ["Somebody else"] * 2
        assert BlogComment.history.count() == 2
        assert not BlogLike.objects.exists()


def test_invitations_to_its_address_name_it_no_more(account, other_account, reader):
    mine = [InvitationFactory(account=one, email="zeb@canary.example") for one in (account, other_account)]
    other = InvitationFactory(account=account)

    erase(reader)

    with platform_scope("what is left"):
        assert {Invitation.objects.get(pk=one.pk).email for one in mine} == {"erased@erased.invalid"}
        assert Invitation.objects.get(pk=other.pk).email == other.email
