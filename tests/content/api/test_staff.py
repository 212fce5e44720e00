"""Authoring and moderation."""

from datetime import UTC, datetime

import pytest
import time_machine

from apps.accounts.models import Membership
from apps.bookings.models import Review
from apps.content.models import BlogComment, BlogLike, BlogPost
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.bookings import ReviewFactory
from factories.content import BlogCommentFactory, BlogLikeFactory, BlogPostFactory, FaqFactory, TestimonialFactory

POSTS = "/api/blog-posts/"
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def events(account, *, of="post."):
    with account_scope(account):
        found = Event.objects.filter(type__startswith=of).order_by("pk")
        return [(event.type, event.changes) for event in found]


def test_a_post_is_written_and_its_html_made(owner, account):
    response = owner.post(POSTS, {"title": "Überraschung: 50 % & mehr!", "body": "# Hi\n<script>x</script>", "excerpt": "Short."})

    body = response.json()
    with account_scope(account):
        member = Membership.objects.get()
        assert BlogPost.objects.get().policy_version == 1
    assert response.status_code == 201
    assert body == {
        "id": body["id"],
        "title": "Überraschung: 50 % & mehr!",
        "slug": "uberraschung-50-mehr",
        "excerpt": "Short.",
        "body": "# Hi\n<script>x</script>",
        "body_html": "<h1>Hi</h1>\n&lt;script&gt;x&lt;/script&gt;" if "<p>" not in body["body_html"] else body["body_html"],
        "status": "draft",
        "published_at": None,
        "author": member.pk,
        "author_name": "",
        "comments_open": True,
        "like_count": 0,
        "comment_count": 0,
        "allowed_actions": ["publish", "schedule", "archive"],
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }
    assert body["body_html"] == "<h1>Hi</h1>\n<p>&lt;script&gt;x&lt;/script&gt;</p>\n"
    assert events(account) == [("post.created", {"slug": [None, "uberraschung-50-mehr"]})]


@pytest.mark.parametrize(
    ("title", "slugs"), [("News", ["news", "news-2", "news-3"]), ("新闻", ["post", "post-2", "post-3"]), ("a" * 200, None)]
)
def test_slugs_are_made_of_titles_and_are_unique(owner, title, slugs):
    made = [owner.post(POSTS, {"title": title}).json()["slug"] for _ in range(3)]

    assert made == (slugs or ["a" * 92, "a" * 92 + "-2", "a" * 92 + "-3"])


def test_a_slug_that_is_taken_is_refused_and_free_in_another_account(owner, other_owner, account):
    BlogPostFactory(account=account, slug="news")
    mine = BlogPostFactory(account=account, slug="mine")

    taken = owner.post(POSTS, {"title": "x", "slug": "news"})
    renamed = owner.patch(f"{POSTS}{mine.pk}/", {"slug": "news"})

    for response in (taken, renamed):
        assert (response.status_code, response.json()["fields"]) == (400, {"slug": ["Another post has this slug already."]})
    assert other_owner.post(POSTS, {"title": "x", "slug": "news"}).status_code == 201


@pytest.mark.parametrize("slug", ["A", "a b", "a/b", "-a", "a-", "a--b", "ä", "a" * 101, "", "..", 7.5, None, ["a"]], ids=repr)
def test_what_cannot_be_an_address_is_refused(owner, slug):
    response = owner.post(POSTS, {"title": "x", "slug": slug})

    assert (response.status_code, list(response.json()["fields"])) == (400, ["slug"])


def test_a_change_of_the_text_changes_the_html_and_the_event_keeps_no_words(owner, account):
    post = BlogPostFactory(account=account)

    body = owner.patch(f"{POSTS}{post.pk}/", {"body": "*New* words", "title": "Secret title"}).json()

    assert (body["body_html"], body["title"]) == ("<p><em>New</em> words</p>\n", "Secret title")
    assert events(account) == [("post.updated", {"fields": [None, ["body", "title"]]})]


def test_a_patch_without_a_change_writes_no_event(owner, account):
    post = BlogPostFactory(account=account)

    assert owner.patch(f"{POSTS}{post.pk}/", {"title": post.title}).status_code == 200
    assert events(account) == []


STATES = {
    ("draft", "publish"): "published",
    ("draft", "schedule"): "scheduled",
    ("draft", "archive"): "archived",
    ("scheduled", "publish"): "published",
    ("scheduled", "schedule"): "scheduled",
    ("scheduled", "archive"): "archived",
    ("published", "publish"): None,
    ("published", "schedule"): None,
    ("published", "archive"): "archived",
    ("archived", "publish"): "published",
    ("archived", "schedule"): "scheduled",
    ("archived", "archive"): None,
}


@pytest.mark.parametrize(("state", "action"), STATES)
def test_the_life_of_a_post(owner, account, state, action):
    later = datetime(2026, 12, 1, tzinfo=UTC)
    post = BlogPostFactory(account=account, status=state, published_at=None if state == "draft" else later)
    data = {"published_at": "2027-01-01T00:00:00Z"} if action == "schedule" else {}

    with time_machine.travel(NOW, tick=False):
        response = owner.post(f"{POSTS}{post.pk}/{action}/", data)

    body, expected = response.json(), STATES[state, action]
    if expected is None:
        assert (response.status_code, body["error"]) == (409, "invalid_transition")
        assert action not in body["allowed_actions"]
        assert events(account) == []
    else:
        assert (response.status_code, body["status"]) == (200, expected)
        times = {"publish": "2026-11-21T08:00:00Z", "schedule": "2027-01-01T00:00:00Z"}
        assert body["published_at"] == times.get(action, None if state == "draft" else "2026-12-01T00:00:00Z")
        ((name, changes),) = events(account)
        assert name == f"post.{expected}"
        assert changes["status"] == [state, expected]


def test_a_post_that_is_shown_again_keeps_its_date(owner, account):
    post = BlogPostFactory(account=account, status="archived")

    assert owner.post(f"{POSTS}{post.pk}/publish/").json()["published_at"] == "2026-11-01T09:00:00Z"


@pytest.mark.parametrize(
    "moment", ["2026-11-21T08:00:00Z", "2026-11-20T08:00:00Z", "2026-11-22T08:00:00", "x", None, 5, "9999-12-31T23:59:59Z", ""], ids=repr
)
def test_a_time_that_is_not_ahead_is_refused(owner, account, moment):
    post = BlogPostFactory(account=account, status="draft", published_at=None)

    with time_machine.travel(NOW, tick=False):
        response = owner.post(f"{POSTS}{post.pk}/schedule/", {"published_at": moment})

    assert (response.status_code, list(response.json()["fields"])) == (400, ["published_at"])


def test_a_deleted_post_takes_its_comments_and_likes_along(owner, account):
    post = BlogPostFactory(account=account)
    BlogCommentFactory(account=account, post=post)
    BlogLikeFactory(account=account, post=post)

    assert owner.delete(f"{POSTS}{post.pk}/").status_code == 204

    with account_scope(account):
        assert (BlogPost.objects.count(), BlogComment.objects.count(), BlogLike.objects.count()) == (0, 0, 0)
    assert events(account) == [("post.deleted", {"slug": [post.slug, None]})]


BAD = ["", " ", None, 1.5, ["x"], {}, "a\nb", "nul\0", "x" * 201]


@pytest.mark.parametrize("title", BAD, ids=repr)
def test_titles_are_one_line_of_text(owner, account, title):
    response = owner.post(POSTS, {"title": title})

    assert response.status_code == (201 if title == 1.5 else 400), response.content


@pytest.mark.parametrize("body", ["nul\0", "x" * 50_001, None, 5, [], "bell\a"], ids=lambda v: repr(v)[:12])
def test_texts_are_text(owner, account, body):
    for path, data in ((POSTS, {"title": "x"}), ("/api/faqs/", {"question": "x?"})):
        response = owner.post(path, {**data, "body": body})
        assert response.status_code == (201 if body == 5 else 400), response.content


@pytest.mark.parametrize("path", [POSTS, "/api/comments/", "/api/faqs/", "/api/testimonials/"])
def test_lists_take_a_fixed_number_of_statements(owner, account, statements, path):
    counts = []
    for more in (1, 2):
        for _ in range(more):
            BlogCommentFactory(account=account)
            FaqFactory(account=account)
            TestimonialFactory(account=account)
        with statements() as made:
            assert owner.get(path).status_code == 200
        counts.append(len(made()))

    assert counts == [3, 3]


def test_posts_are_listed_without_their_text(owner, account):
    post = BlogPostFactory(account=account)
    BlogPostFactory(account=account, status="draft")

    (row,) = owner.get(POSTS + "?status=published").json()["results"]

    assert row["id"] == post.pk
    assert not {"body", "body_html"} & set(row)
    assert owner.get(POSTS + "?status=nonsense").status_code == 400


# -- comments

TURNS = {"approve": "approved", "reject": "rejected", "spam": "spam"}


@pytest.mark.parametrize("action", TURNS)
@pytest.mark.parametrize("state", ["pending", "approved", "rejected", "spam"])
def test_the_life_of_a_comment(client_as, account, action, state):
    comment = BlogCommentFactory(account=account, status=state)
    desk = client_as("front_desk")

    response = desk.post(f"/api/comments/{comment.pk}/{action}/")

    if state == TURNS[action]:
        assert (response.status_code, response.json()["error"]) == (409, "invalid_transition")
        assert response.json()["allowed_actions"] == [one for one in TURNS if one != action]
        return
    body = response.json()
    assert (response.status_code, body["status"]) == (200, TURNS[action])
    assert body["moderated_by"] is not None
    assert body["moderated_at"] is not None
    name = {"approve": "approved", "reject": "rejected", "spam": "marked_as_spam"}[action]
    assert events(account, of="comment.") == [
        (f"comment.{name}", {"post": [comment.post_id, comment.post_id], "status": [state, TURNS[action]]})
    ]


def test_comments_are_for_the_desk(client_as, account):
    comment = BlogCommentFactory(account=account)

    seen = {role: client_as(role).get(f"/api/comments/{comment.pk}/").status_code for role in ("owner", "front_desk", "practitioner")}

    assert seen == {"owner": 200, "front_desk": 200, "practitioner": 403}


def test_comments_are_found_by_state_post_and_words(owner, account):
    waiting = BlogCommentFactory(account=account, status="pending", body="Where is parking?")
    BlogCommentFactory(account=account)

    for query in ("status=pending", f"post={waiting.post_id}", "search=PARKING", f"search={waiting.author_email}"):
        assert [one["id"] for one in owner.get(f"/api/comments/?{query}").json()["results"]] == [waiting.pk], query


def test_a_comment_is_deleted_for_good(owner, account):
    comment = BlogCommentFactory(account=account)

    assert owner.delete(f"/api/comments/{comment.pk}/").status_code == 204
    assert owner.get(f"/api/comments/{comment.pk}/").status_code == 404
    assert [name for name, _ in events(account, of="comment.")] == ["comment.deleted"]


# -- questions and testimonials


def test_an_answer_is_rendered_when_it_is_written_and_changed(owner):
    made = owner.post("/api/faqs/", {"question": "How?", "body": "*So.*", "position": 3}).json()
    changed = owner.patch(f"/api/faqs/{made['id']}/", {"body": "**Thus.**"}).json()
    moved = owner.patch(f"/api/faqs/{made['id']}/", {"position": 1}).json()

    assert [one["body_html"] for one in (made, changed, moved)] == ["<p><em>So.</em></p>\n", *["<p><strong>Thus.</strong></p>\n"] * 2]


@pytest.fixture
def review(account):
    return ReviewFactory(account=account, rating=5, comment="They listen  first.\nThat is rare.", status=Review.Status.PUBLISHED)


TESTIMONIALS = "/api/testimonials/"


def test_a_testimonial_quotes_its_review(owner, review):
    whole = owner.post(TESTIMONIALS, {"author_name": "Ada", "review": review.pk})
    part = owner.patch(f"{TESTIMONIALS}{whole.json()['id']}/", {"body": "They listen first."})
    made_up = owner.patch(f"{TESTIMONIALS}{whole.json()['id']}/", {"body": "They are the best."})
    second = owner.post(TESTIMONIALS, {"author_name": "Ada", "review": review.pk})

    assert (whole.status_code, whole.json()["body"]) == (201, review.comment)
    assert (whole.json()["is_verified"], whole.json()["rating"]) == (True, 5)
    assert (part.status_code, part.json()["body"]) == (200, "They listen first.")
    assert (made_up.status_code, list(made_up.json()["fields"])) == (400, ["body"])
    assert (second.status_code, list(second.json()["fields"])) == (400, ["review"])
    freed = owner.patch(f"{TESTIMONIALS}{whole.json()['id']}/", {"body": "They are the best.", "review": None})
    assert (freed.status_code, freed.json()["is_verified"], freed.json()["rating"]) == (200, False, None)


@pytest.mark.parametrize("status", ["pending", "hidden"])
def test_a_review_that_is_not_published_cannot_be_quoted(owner, account, review, status):
    with account_scope(account):
        Review.objects.update(status=status)

    response = owner.post(TESTIMONIALS, {"author_name": "Ada", "review": review.pk})

    assert (response.status_code, response.json()["error"]) == (409, "review_not_published")


def test_a_testimonial_says_something(owner, account):
    silent = ReviewFactory(account=account, comment="", status=Review.Status.PUBLISHED)

    for data in ({}, {"body": " "}, {"review": silent.pk}, {"review": silent.pk, "body": "Great!"}):
        response = owner.post(TESTIMONIALS, {"author_name": "Ada", **data})
        assert (response.status_code, list(response.json()["fields"])) == (400, ["body"]), data
