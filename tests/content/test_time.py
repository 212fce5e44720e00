"""What jobs, commands and the doctor do with content."""

import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError

from apps.content import tasks
from apps.content.models import BlogComment, BlogPost, Faq
from apps.content.subjects import comments_of, drop_comments
from apps.content.tasks import publish_due_posts, renew_old_html
from apps.core.doctor import invariants
from apps.core.models import Event
from apps.core.subjects import Done, Subject
from apps.core.tenancy import account_scope, platform_scope
from factories.content import BlogCommentFactory, BlogLikeFactory, BlogPostFactory, FaqFactory
from factories.users import CustomerFactory
from tests.content.api.test_public import NOW


def found(code):
    (one,) = [one for one in invariants() if one.code == code]
    with platform_scope("test"):
        return one.find()


def test_a_post_whose_time_has_come_is_announced_once(account, other_account):
    due = [BlogPostFactory(account=one, status="scheduled") for one in (account, other_account)]
    later = BlogPostFactory(account=account, status="scheduled", published_at=NOW.replace(year=2027))

    with time_machine.travel(NOW):
        assert (publish_due_posts(0), publish_due_posts(0)) == (2, 0)

    for post in due:
        with account_scope(post.account):
            post.refresh_from_db()
            assert (post.status, post.published_at.isoformat()) == ("published", "2026-11-01T09:00:00+00:00")
            assert [event.source for event in Event.objects.filter(type="post.published")] == ["job:posts"]
    with account_scope(account):
        later.refresh_from_db()
        assert later.status == "scheduled"


@pytest.mark.django_db(transaction=True)
def test_a_post_that_cannot_be_announced_holds_up_no_other(monkeypatch):
    posts = [BlogPostFactory(status="scheduled") for _ in range(2)]
    original = tasks.publish_if_due

    def breaks(post_id, *, at):
        if post_id == posts[0].pk:
            raise OperationalError("somebody holds the row")
        return original(post_id, at=at)

    monkeypatch.setattr(tasks, "publish_if_due", breaks)
    with time_machine.travel(NOW), pytest.raises(OperationalError):
        publish_due_posts(0)

    states = []
    for post in posts:
        with account_scope(post.account):
            states.append(BlogPost.objects.get(pk=post.pk).status)
    assert states == ["scheduled", "published"]


def test_a_new_policy_makes_everything_anew(account, other_account):
    rows = [BlogPostFactory(account=account), BlogCommentFactory(account=other_account), FaqFactory(account=account)]
    for row in rows:
        with account_scope(row.account):
            type(row).objects.filter(pk=row.pk).update(body_html="<p onclick=x>old</p>", policy_version=0)
    assert {table for table, _ in found("I33")} == {"blogpost", "blogcomment", "faq"}

    assert (renew_old_html(0), renew_old_html(0)) == (3, 0)

    made = []
    for row in rows:
        with account_scope(row.account):
            row.refresh_from_db()
        made.append((row.body_html, row.policy_version))
    assert made == [("<p>Words <em>of ours</em>.</p>\n", 1), ("<p>Well said.</p>", 1), ("<p>An <em>answer</em>.</p>\n", 1)]
    assert found("I33") == []


def test_the_command_makes_anew_whatever_was_made(account, capsys):
    faq = FaqFactory(account=account, body_html="<p>stale</p>")

    call_command("sanitise_content")
    call_command("sanitise_content", all=True)

    assert capsys.readouterr().out == "0 texts have HTML of policy 1 now.\n1 texts have HTML of policy 1 now.\n"
    with account_scope(account):
        assert Faq.objects.get(pk=faq.pk).body_html == "<p>An <em>answer</em>.</p>\n"


def test_the_doctor_knows_code_that_is_shown_from_code_that_acts(account):
    shown = '```\n<a href="javascript:alert(1)" onclick="x">\n```'
    BlogPostFactory(account=account, body=shown)
    assert found("I33") == []

    bad = BlogPostFactory(account=account, body_html='<p><a href="javascript:alert(1)">x</a></p>')

    assert found("I33") == [("blogpost", bad.pk)]


def test_an_erased_person_leaves_no_comment_and_no_like(account):
    customer = CustomerFactory()
    post = BlogPostFactory(account=account)
    for who in ({"customer": customer}, {"author_email": "guest@example.test"}, {}):
        BlogCommentFactory(account=account, post=post, **who)
    BlogLikeFactory(account=account, post=post, user=customer.user)
    subject = Subject(account.pk, (), customer.user_id, ("Guest@example.test", "Guest"), NOW)
    done = Done()

    with account_scope(account):
        assert comments_of(subject).count() == 2
        drop_comments(subject, done)
        left = (BlogComment.objects.count(), post.likes.count(), BlogComment.history.count())

    assert left == (1, 0, 1)
    assert done.dropped == {"content_blogcomment": 2, "content_bloglike": 1}
