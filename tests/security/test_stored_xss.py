"""T21: text that would act in a careless page is stored wherever people write, and acts in no answer, no page of the admin and no mail.

JSON answers say that they are JSON and must not be sniffed; of what they carry only fields called ``…_html`` are meant for a page, and
those are looked at as a page would. Admin pages and mails are looked at whole.
"""

import html
import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.urls import reverse

from apps.bookings.models import Review
from apps.content.models import BlogComment, BlogPost
from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.notifications.models import Delivery
from apps.notifications.services.speaking import speak
from factories.accounts import MembershipFactory, token_for
from factories.bookings import ReviewFactory
from factories.content import BlogCommentFactory, BlogPostFactory
from factories.sites import SiteFactory, SiteOwnershipFactory
from factories.tickets import TicketFactory
from factories.users import UserFactory
from tests.conftest import ApiClient
from tests.security.hostile import CANARY, HOSTILE, active_parts

PUBLIC = "/api/public/berlin"


def lines(limit: int) -> list[str]:
    """All hostile texts that fit into one line, joined to as few lines of at most ``limit`` characters as they need."""
    made = [""]
    for text in HOSTILE:
        if len(text) > limit or any(unicodedata.category(c) == "Cc" for c in text):
            continue
        if len(made[-1]) + len(text) + 1 > limit:
            made.append("")
        made[-1] = f"{made[-1]} {text}".strip()
    return made


EVERYTHING = "\n\n".join(HOSTILE)


def stored(response: Any) -> int:
    assert response.status_code == 201, response.content
    return response.json()["id"]


# Each place: store everything hostile there, and say where it can be read: (API addresses, admin's model, primary keys).
Found = tuple[list[str], str, list[int]]


def client_name(owner: ApiClient, account: Any) -> Found:
    pks = [stored(owner.post("/api/clients/", {"full_name": text, "tags": [text[:50]], "source": text[:50]})) for text in lines(255)]
    return ["/api/clients/", "/api/clients/?search=" + CANARY, *(f"/api/clients/{pk}/" for pk in pks)], "clients_client", pks


def comment(owner: ApiClient, account: Any) -> Found:
    post = BlogPostFactory(account=account)
    comments = f"{PUBLIC}/blog-posts/{post.slug}/comments/"
    pks = []
    for name in lines(100):
        cache.clear()  # the limit of comments per hour
        pks.append(stored(ApiClient().post(comments, {"name": name, "email": "a@example.org", "body": EVERYTHING})))
    for pk in pks:
        assert owner.post(f"/api/comments/{pk}/approve/").status_code == 200
    return [comments, "/api/comments/", *(f"/api/comments/{pk}/" for pk in pks)], "content_blogcomment", pks


def post(owner: ApiClient, account: Any) -> Found:
    made = [
        owner.post("/api/blog-posts/", {"title": text, "body": EVERYTHING, "excerpt": text, "author_name": text}) for text in lines(200)
    ]
    slugs = [one.json()["slug"] for one in made]
    pks = [stored(one) for one in made]
    for pk in pks:
        assert owner.post(f"/api/blog-posts/{pk}/publish/").status_code == 200
    urls = ["/api/blog-posts/", f"{PUBLIC}/blog-posts/", *(f"/api/blog-posts/{pk}/" for pk in pks)]
    return [*urls, *(f"{PUBLIC}/blog-posts/{slug}/" for slug in slugs)], "content_blogpost", pks


def faq(owner: ApiClient, account: Any) -> Found:
    pks = [stored(owner.post("/api/faqs/", {"question": text, "body": EVERYTHING, "category": lines(100)[0]})) for text in lines(300)]
    return ["/api/faqs/", f"{PUBLIC}/faqs/", *(f"/api/faqs/{pk}/" for pk in pks)], "content_faq", pks


def testimonial(owner: ApiClient, account: Any) -> Found:
    review = ReviewFactory(account=account, comment=EVERYTHING, status=Review.Status.PUBLISHED)
    data = {"author_name": lines(200)[0], "author_title": lines(200)[-1]}
    pks = [stored(owner.post("/api/testimonials/", {**data, **more})) for more in ({"body": EVERYTHING}, {"review": review.pk})]
    return ["/api/testimonials/", f"{PUBLIC}/testimonials/"], "content_testimonial", pks


testimonial.__test__ = False  # type: ignore[attr-defined]  # pytest collects what is called test…


def site_title(owner: ApiClient, account: Any) -> Found:
    pks = [SiteFactory(account=account, site_title=text).pk for text in lines(200)]
    return ["/api/sites/"], "sites_site", pks


def ticket(owner: ApiClient, account: Any) -> Found:
    pks = [TicketFactory(account=account, subject=text, description=EVERYTHING).pk for text in lines(200)]
    return ["/api/tickets/", *(f"/api/tickets/{pk}/" for pk in pks)], "tickets_ticket", pks


PLACES = [client_name, comment, post, faq, testimonial, site_title, ticket]


def html_in(value: Any, name: str = "") -> Iterator[str]:
    """Every text of an answer that is meant to be put into a page."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from html_in(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from html_in(inner, name)
    elif name.endswith("html") and isinstance(value, str):
        yield value


def browser_of(account: Any) -> Browser:
    user = UserFactory(is_staff=True)
    MembershipFactory(account=account, user=user)
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_hostile_text_acts_in_no_answer_and_no_page_of_the_admin(owner, account, place):
    urls, model, pks = place(owner, account)

    for url in urls:
        response = owner.get(url)
        assert response.status_code == 200, (url, response.content)
        assert response["Content-Type"].startswith("application/json")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert CANARY in response.content.decode(), url
        for fragment in html_in(json.loads(response.content)):
            assert active_parts(fragment) == [], url

    browser, shown, seen = browser_of(account), 0, 0
    listing = reverse(f"admin:{model}_changelist")
    pages = [listing, f"{listing}?q={CANARY}", reverse("admin:search") + f"?s={CANARY}&extended=1"]
    pages += [reverse(f"admin:{model}_{page}", args=[pk]) for pk in pks for page in ("change", "history", "delete")]
    for page in pages:
        response = browser.get(page)
        assert response.status_code in (200, 403), page
        text = response.content.decode()
        assert active_parts(text) == [], page
        shown += CANARY in text
        if page in pages[3::3]:
            assert CANARY in text, page
            seen += active_parts(html.unescape(text)) != []
    assert shown > len(pks)
    assert seen >= (len(pks) + 1) // 2, "the control: the same pages without their escaping would act"


@pytest.mark.django_db(transaction=True)
def test_hostile_text_acts_in_no_mail(account):
    """Who is told of comments, tickets and sites reads names, titles and subjects of others in the HTML of a mail."""
    MembershipFactory(account=account)
    for text in lines(100):
        about = BlogPostFactory(account=account, title=text)
        said = BlogCommentFactory(account=account, post=about, author_name=text, status="pending")
        owned = SiteOwnershipFactory(account=account, site__site_title=text)
        asked = TicketFactory(account=account, subject=text, ownership__client__full_name=text)
        for event, row, changes in (
            ("comment.created", said, {"post": [None, about.pk], "status": [None, "pending"]}),
            ("site.owner_added", owned, {}),
            ("ticket.opened", asked, {"by": [None, "client"]}),
        ):
            with account_scope(account):  # a transaction each: what is one change is told once
                speak(emit(event, row, changes=changes))

    with account_scope(account):
        mails = list(Delivery.objects.filter(channel="email").values_list("html", "subject"))
    assert len(mails) == 3 * len(lines(100))
    for page, subject in mails:
        assert CANARY in page
        assert active_parts(page) == [], subject
        assert not {"\r", "\n"} & set(subject)
    seen = sum(active_parts(html.unescape(page)) != [] for page, _ in mails)
    assert seen >= len(mails) // 2, "the control: the same mails without their escaping would act"


@pytest.mark.parametrize(
    ("model", "make", "url"),
    [
        (BlogPost, lambda account: BlogPostFactory(account=account, slug="x"), f"{PUBLIC}/blog-posts/x/"),
        (BlogComment, lambda account: BlogCommentFactory(account=account, post__slug="x"), f"{PUBLIC}/blog-posts/x/comments/"),
    ],
    ids=["post", "comment"],
)
def test_the_control_html_that_was_not_sanitised_is_seen(account, model, make, url):
    """Past the services: what these tests look at is what readers get, and they see what acts. The admin's frame is checked, too."""
    row = make(account)
    with account_scope(account):
        model.objects.filter(pk=row.pk).update(body_html=f"<p>{HOSTILE[2]}</p>")

    fragments = list(html_in(ApiClient().get(url).json()))
    page = browser_of(account).get(reverse(f"admin:content_{model._meta.model_name}_change", args=[row.pk])).content.decode()

    assert [active_parts(fragment) for fragment in fragments] == [["<img onerror>"]]
    assert active_parts(page) == ["<img onerror>"]
    assert '<iframe sandbox=""' in page  # where it would stand in the admin, nothing runs
    assert "Content-Security-Policy" in html.unescape(page)


def test_answers_about_hostile_questions_are_json(account):
    """Errors repeat what was asked for; they are JSON like every other answer."""
    token = token_for(MembershipFactory(account=account).user)
    for client, url in (
        (ApiClient(), f"{PUBLIC}/blog-posts/%3Csvg%20onload=x%3E/"),
        (ApiClient(token), "/api/faqs/?%3Csvg%20onload=x%3E=1"),
    ):
        response = client.get(url)
        assert response.status_code in (400, 404)
        assert response["Content-Type"].startswith("application/json")
        assert response["X-Content-Type-Options"] == "nosniff"
