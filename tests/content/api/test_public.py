"""What readers see and say, without a login and with one."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from apps.accounts.services.accounts import change_settings
from apps.bookings.models import Review
from apps.content.models import BlogComment, BlogLike, BlogPost
from apps.core.tenancy import account_scope
from factories.accounts import token_for
from factories.bookings import ReviewFactory
from factories.clients import ClientFactory
from factories.content import BlogCommentFactory, BlogLikeFactory, BlogPostFactory, FaqFactory, TestimonialFactory
from factories.users import CustomerFactory, UserFactory
from tests.conftest import ApiClient

POSTS = "/api/public/berlin/blog-posts/"
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
GUEST = {"name": "Ada", "email": "Ada@Example.org", "body": "First.\n\nSecond <b>line</b>."}


@pytest.fixture
def post(account):
    return BlogPostFactory(account=account, title="Hello", slug="hello", body="Some *words*.")


@pytest.fixture
def customer(db):
    return CustomerFactory(full_name="Grace Hopper")


def signed_in(customer):
    return ApiClient(token_for(customer.user))


def set_to(account, **values):
    with account_scope(account):
        change_settings(account_id=account.pk, values=values)


def comments_of(post):
    with account_scope(post.account):
        return list(BlogComment.objects.filter(post=post).order_by("pk"))


# -- posts


def test_a_post_is_read_by_its_slug(post):
    BlogCommentFactory(account=post.account, post=post)
    BlogCommentFactory(account=post.account, post=post, status="pending")
    BlogLikeFactory.create_batch(2, account=post.account, post=post)

    response = ApiClient().get(f"{POSTS}hello/")

    body = response.json()
    assert response.status_code == 200
    assert body == {
        "id": post.pk,
        "slug": "hello",
        "title": "Hello",
        "excerpt": "",
        "author_name": "",
        "published_at": "2026-11-01T09:00:00Z",
        "comments_open": True,
        "like_count": 2,
        "comment_count": 1,
        "body_html": "<p>Some <em>words</em>.</p>\n",
        "updated_at": body["updated_at"],
    }


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_drafts_and_archived_posts_do_not_exist(account, status):
    BlogPostFactory(account=account, slug="hidden", status=status)

    assert ApiClient().get(POSTS).json()["results"] == []
    for path, method in (("hidden/", "get"), ("hidden/comments/", "get"), ("hidden/comments/", "post"), ("hidden/like/", "post")):
        response = getattr(ApiClient(), method)(f"{POSTS}{path}")
        assert (response.status_code, response.json()["error"]) == (404, "not_found")


def test_a_scheduled_post_appears_at_its_time_without_a_job(account):
    at = NOW + timedelta(hours=2)
    BlogPostFactory(account=account, slug="soon", status="scheduled", published_at=at)
    seen = {}

    for moment in (at - timedelta(seconds=1), at + timedelta(seconds=1)):
        with time_machine.travel(moment, tick=False):
            statuses = [ApiClient().get(f"{POSTS}{path}").status_code for path in ("soon/", "soon/comments/")]
            seen[moment < at] = (statuses, [one["slug"] for one in ApiClient().get(POSTS).json()["results"]])

    assert seen == {True: ([404, 404], []), False: ([200, 200], ["soon"])}


@pytest.mark.parametrize("slug", ["no-such-post", "Hello", "hello%00", "hello%20", "%F0%9F%92%A9", "hello.", "a" * 5000, "%ff"])
def test_what_is_no_slug_of_a_post_is_not_found(post, slug):
    for path in ("", "comments/", "like/"):
        response = ApiClient().get(f"{POSTS}{slug}/{path}")
        assert (response.status_code, response.json()["error"]) == (404, "not_found"), path


def test_posts_are_listed_newest_first_and_searched(account):
    for day, name in ((1, "one"), (3, "three"), (2, "two")):
        BlogPostFactory(account=account, title=f"Post {name}", slug=name, published_at=datetime(2026, 10, day, tzinfo=UTC))

    assert [post["slug"] for post in ApiClient().get(POSTS).json()["results"]] == ["three", "two", "one"]
    assert [post["slug"] for post in ApiClient().get(POSTS + "?search=THREE").json()["results"]] == ["three"]
    first = ApiClient().get(POSTS + "?page_size=2").json()
    second = ApiClient().get(first["next"]).json()
    assert [post["slug"] for post in second["results"]] == ["one"]
    assert "body_html" not in first["results"][0]


@pytest.mark.parametrize(
    ("path", "cached"),
    [
        ("blog-posts/", "public, max-age=60"),
        ("blog-posts/hello/", "public, max-age=60"),
        ("blog-posts/hello/comments/", "no-cache"),
        ("faqs/", "public, max-age=60"),
        ("testimonials/", "public, max-age=60"),
    ],
)
def test_public_reads_may_be_kept_and_are_not_sent_twice(post, path, cached):
    url = f"/api/public/berlin/{path}"

    first = ApiClient().get(url)
    again = ApiClient().get(url, headers={"If-None-Match": first["ETag"]})

    assert (first.status_code, first["Cache-Control"]) == (200, cached)
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    BlogPostFactory(account=post.account)
    BlogCommentFactory(account=post.account, post=post)
    FaqFactory(account=post.account)
    TestimonialFactory(account=post.account)
    assert ApiClient().get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200


@pytest.mark.parametrize("path", ["blog-posts/", "blog-posts/hello/comments/", "faqs/", "testimonials/"])
def test_lists_take_a_fixed_number_of_statements(post, statements, path):
    url, counts = f"/api/public/berlin/{path}", []
    for more in (1, 2):
        for _ in range(more):
            BlogPostFactory(account=post.account)
            BlogCommentFactory(account=post.account, post=post)
            FaqFactory(account=post.account)
            TestimonialFactory(account=post.account)
        with statements() as made:
            assert ApiClient().get(url).status_code == 200
        counts.append(len(made()))

    assert counts == ([3, 3] if "comments" in path else [2, 2])


# -- comments


def test_a_guests_comment_waits_and_shows_no_address(post):
    response = ApiClient().post(f"{POSTS}hello/comments/", GUEST)

    (comment,) = comments_of(post)
    assert response.status_code == 201
    assert response.json() == {
        "id": comment.pk,
        "author_name": "Ada",
        "signed_in": False,
        "body": GUEST["body"],
        "body_html": "<p>First.</p><p>Second &lt;b&gt;line&lt;/b&gt;.</p>",
        "created_at": response.json()["created_at"],
        "status": "pending",
    }
    assert (comment.author_email, comment.customer) == ("ada@example.org", None)
    assert ApiClient().get(f"{POSTS}hello/comments/").json()["results"] == []


def test_approved_comments_are_shown_oldest_first_without_addresses(post):
    first, second = (BlogCommentFactory(account=post.account, post=post) for _ in range(2))
    BlogCommentFactory(account=post.account)  # below another post
    for status in ("pending", "rejected", "spam"):
        BlogCommentFactory(account=post.account, post=post, status=status)

    response = ApiClient().get(f"{POSTS}hello/comments/")

    assert [one["id"] for one in response.json()["results"]] == [first.pk, second.pk]
    assert set(response.json()["results"][0]) == {"id", "author_name", "signed_in", "body", "body_html", "created_at"}
    assert b"example.test" not in response.content


def test_a_customer_waits_until_one_comment_was_approved_and_again_after_spam(post, customer, owner):
    me, statuses = signed_in(customer), []
    ids = []
    for decision in (None, "approve", "spam"):
        if decision:
            assert owner.post(f"/api/comments/{ids[0]}/{decision}/").status_code == 200
        written = me.post(f"{POSTS}hello/comments/", {"body": "Well said."}).json()
        ids.append(written["id"])
        statuses.append((written["status"], written["author_name"], written["signed_in"]))

    assert statuses == [(status, "Grace Hopper", True) for status in ("pending", "approved", "pending")]


def test_the_approval_of_another_business_counts_for_nothing_here(post, customer, other_account):
    BlogCommentFactory(account=other_account, customer=customer, status="approved")

    assert signed_in(customer).post(f"{POSTS}hello/comments/", {"body": "Hello."}).json()["status"] == "pending"


@pytest.mark.parametrize(("rule", "guest", "known"), [("everybody", "pending", "pending"), ("nobody", "approved", "approved")])
def test_the_account_says_whose_comments_wait(post, customer, rule, guest, known):
    set_to(post.account, comment_moderation=rule)
    BlogCommentFactory(account=post.account, post=post, customer=customer)

    assert ApiClient().post(f"{POSTS}hello/comments/", GUEST).json()["status"] == guest
    assert signed_in(customer).post(f"{POSTS}hello/comments/", {"body": "Me, too."}).json()["status"] == known


@pytest.mark.parametrize("where", ["post", "account"])
def test_where_comments_are_closed_nobody_comments(post, where):
    if where == "account":
        set_to(post.account, comments_open=False)
    else:
        with account_scope(post.account):
            BlogPost.objects.update(comments_open=False)

    response = ApiClient().post(f"{POSTS}hello/comments/", GUEST)

    assert (response.status_code, response.json()["error"]) == (409, "comments_closed")
    assert comments_of(post) == []


def test_guests_say_who_they_are_and_others_need_not(post, customer):
    nameless = CustomerFactory(full_name="")
    answers = [
        ApiClient().post(f"{POSTS}hello/comments/", {"body": "x"}).json()["fields"],
        ApiClient().post(f"{POSTS}hello/comments/", {**GUEST, "email": "no address"}).json()["fields"],
        signed_in(customer).post(f"{POSTS}hello/comments/", {"body": "x", "email": "a@b.test"}).json()["fields"],
        signed_in(customer).post(f"{POSTS}hello/comments/", {"body": "x", "name": "The Owner"}).json()["fields"],
        signed_in(nameless).post(f"{POSTS}hello/comments/", {"body": "x"}).json()["fields"],
    ]

    assert [sorted(fields) for fields in answers] == [["email", "name"], ["email"], ["email"], ["name"], ["name"]]
    assert comments_of(post) == []
    assert signed_in(nameless).post(f"{POSTS}hello/comments/", {"body": "x", "name": "G."}).json()["author_name"] == "G."


BAD_TEXTS = ["", "   ", None, ["x"], {"a": 1}, True, "x" * 5001, "nul\0", "bell\a", "\ud800"]


@pytest.mark.parametrize("body", BAD_TEXTS, ids=repr)
def test_text_that_is_none_is_refused_and_nothing_is_written(post, body):
    data = {**GUEST, "body": body}
    raw = '{"name": "Ada", "email": "a@b.test", "body": "\\ud800"}' if body == "\ud800" else data

    response = ApiClient().post(f"{POSTS}hello/comments/", raw)

    assert response.status_code == 400, response.content
    assert comments_of(post) == []


@pytest.mark.parametrize("name", ["a\nb", "a\0", "x" * 101, ["x"], 7.5, {}], ids=repr)
def test_names_are_one_line(post, name):
    response = ApiClient().post(f"{POSTS}hello/comments/", {**GUEST, "name": name})

    assert response.status_code in ((201,) if name == 7.5 else (400,))


def test_guests_of_one_network_comment_ten_times_an_hour(post):
    statuses = [ApiClient().post(f"{POSTS}hello/comments/", GUEST).status_code for _ in range(11)]

    assert statuses == [201] * 10 + [429]
    refused = ApiClient().post(f"{POSTS}hello/comments/", GUEST)
    assert refused.json()["error"] == "rate_limited"
    assert 3500 < int(refused["Retry-After"]) <= 3600
    assert len(comments_of(post)) == 10
    assert signed_in(CustomerFactory(full_name="G.")).post(f"{POSTS}hello/comments/", {"body": "x"}).status_code == 201


def test_a_comment_stands_in_the_timeline_of_the_client_who_wrote_it(post, customer):
    client = ClientFactory(account=post.account, customer=customer)

    signed_in(customer).post(f"{POSTS}hello/comments/", {"body": "x"})

    (comment,) = comments_of(post)
    with account_scope(post.account):
        assert comment.concerned_client_id == client.pk


# -- likes


def test_liking_twice_is_liking_once(post, customer):
    me = signed_in(customer)
    BlogLikeFactory(account=post.account, post=post)
    answers = [getattr(me, method)(f"{POSTS}hello/like/") for method in ("get", "post", "post", "get", "delete", "delete", "get")]

    assert [(one.status_code, one.json()["liked"], one.json()["like_count"]) for one in answers] == [
        (200, False, 1),
        (200, True, 2),
        (200, True, 2),
        (200, True, 2),
        (200, False, 1),
        (200, False, 1),
        (200, False, 1),
    ]
    assert {one["Cache-Control"] for one in answers} == {"no-store"}


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_liking_needs_a_login(post, method):
    response = getattr(ApiClient(), method)(f"{POSTS}hello/like/")

    assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")
    with account_scope(post.account):
        assert not BlogLike.objects.exists()


def test_likes_are_counted_per_login(post):
    user = UserFactory()
    me = ApiClient(token_for(user))

    statuses = {me.post(f"{POSTS}hello/like/").status_code for _ in range(120)}

    assert statuses == {200}
    assert me.post(f"{POSTS}hello/like/").status_code == 429


# -- questions and testimonials


def test_questions_are_shown_in_order_and_by_category(account):
    FaqFactory(account=account, question="B?", position=2, category="Money")
    FaqFactory(account=account, question="A?", position=1, body="**Yes.**")
    FaqFactory(account=account, is_published=False)

    answer = ApiClient().get("/api/public/berlin/faqs/").json()["results"]
    money = ApiClient().get("/api/public/berlin/faqs/?category=Money").json()["results"]

    assert [(one["question"], one["body_html"]) for one in answer] == [
        ("A?", "<p><strong>Yes.</strong></p>\n"),
        ("B?", "<p>An <em>answer</em>.</p>\n"),
    ]
    assert [one["question"] for one in money] == ["B?"]


def test_a_testimonial_is_verified_while_its_review_is_published(account):
    review = ReviewFactory(account=account, rating=4, comment="Good.", status=Review.Status.PUBLISHED)
    TestimonialFactory(account=account, position=1, body="Good.", review=review)
    TestimonialFactory(account=account, position=2)
    TestimonialFactory(account=account, is_published=False)

    def shown():
        return [(one["is_verified"], one["rating"]) for one in ApiClient().get("/api/public/berlin/testimonials/").json()["results"]]

    assert shown() == [(True, 4), (False, None)]
    with account_scope(account):
        Review.objects.update(status=Review.Status.HIDDEN)
    assert shown() == [(False, None), (False, None)]
