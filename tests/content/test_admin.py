"""Content in the admin: written through the services, decided about by actions."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from apps.content.models import BlogPost, Faq
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.accounts import MembershipFactory
from factories.content import BlogCommentFactory, BlogPostFactory
from factories.users import UserFactory


@pytest.fixture
def browser_as(account):
    def make(role):
        user = UserFactory(is_staff=True)
        MembershipFactory(account=account, user=user, role=role)
        browser = Browser()
        browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return browser

    return make


def names(account):
    with account_scope(account):
        return list(Event.objects.order_by("pk").values_list("type", flat=True))


def test_a_post_is_written_changed_published_and_deleted_by_the_services(browser_as, account):
    browser = browser_as("manager")
    data = {"title": "Hello", "slug": "hello", "body": "*Hi* <script>x</script>", "comments_open": "on"}

    assert browser.post(reverse("admin:content_blogpost_add"), data).status_code == 302
    with account_scope(account):
        post = BlogPost.objects.get()
    assert post.body_html == "<p><em>Hi</em> &lt;script&gt;x&lt;/script&gt;</p>\n"
    page = reverse("admin:content_blogpost_change", args=[post.pk])
    assert browser.post(page, {**data, "body": "**Ho**"}).status_code == 302
    listing = reverse("admin:content_blogpost_changelist")
    assert browser.post(listing, {"action": "publish", "_selected_action": [post.pk]}).status_code == 302
    with account_scope(account):
        post.refresh_from_db()
    assert (post.body_html, post.status) == ("<p><strong>Ho</strong></p>\n", "published")
    assert browser.post(reverse("admin:content_blogpost_delete", args=[post.pk]), {"post": "yes"}).status_code == 302
    assert names(account) == ["post.created", "post.updated", "post.published", "post.deleted"]


def test_an_answer_is_rendered_in_the_admin_too(browser_as, account):
    assert (
        browser_as("owner").post(reverse("admin:content_faq_add"), {"question": "How?", "body": "*So.*", "position": 1}).status_code == 302
    )

    with account_scope(account):
        assert Faq.objects.get().body_html == "<p><em>So.</em></p>\n"


@pytest.mark.parametrize(("role", "status"), [("front_desk", "approved"), ("practitioner", "pending")])
def test_comments_are_decided_about_by_the_desk(browser_as, account, role, status):
    comment = BlogCommentFactory(account=account, status="pending")

    browser_as(role).post(reverse("admin:content_blogcomment_changelist"), {"action": "approve", "_selected_action": [comment.pk]})

    with account_scope(account):
        comment.refresh_from_db()
    assert comment.status == status


def test_practitioners_read_posts_and_write_none(browser_as, account):
    post = BlogPostFactory(account=account)
    browser, page = browser_as("practitioner"), reverse("admin:content_blogpost_change", args=[post.pk])

    assert browser.get(page).status_code == 200
    assert browser.post(page, {"title": "x"}).status_code == 403
    assert browser.get(reverse("admin:content_blogpost_add")).status_code == 403
