"""What the demo's businesses have published: posts in every state, comments in every state, questions, and what people say."""

from datetime import datetime, timedelta

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.content.models import BlogPost
from apps.content.services.comments import approve_comment, like_post, mark_as_spam, write_comment
from apps.content.services.pages import create_faq, create_testimonial
from apps.content.services.posts import create_post, publish_post, schedule_post
from apps.core.demo import furnishings

WELCOME = """Your first session starts with a talk: what brings you here, what you have tried, and what you would like to do again.

## What to bring

- comfortable clothes
- what you know about old injuries
- *no* equipment

You can [book a start](https://example.org/book) at any hour. **We look forward to you.**
"""
BREAKS = """Ten minutes every two hours do more than an hour once a week.

1. Stand up.
2. Look out of the window.
3. Come back.
"""
FAQS = (
    ("How do I move a session?", "Open it in your bookings and choose another start. *Until 24 hours before it is free.*", "Booking"),
    ("How can I pay?", "By card, PayPal, bank transfer or on arrival.", "Money"),
    ("Do packages expire?", "Some do; the page of each package says when, and we write to you **two weeks before**.", "Money"),
)
TESTIMONIALS = (("Ada M.", "Violinist", "They listen first. That is rarer than it sounds."), ("Jon B.", "", "On time, every time."))


def publish_content(account: Account, at: datetime) -> None:
    """A small blog with readers, and the pages beside it."""
    day = timedelta(days=1)
    welcome = create_post(
        account_id=account.pk,
        title="Your first session",
        body=WELCOME,
        excerpt="What happens, and what to bring.",
        author_name=account.name,
    )
    publish_post(welcome, at=at - 20 * day)
    breaks = create_post(account_id=account.pk, title="Small breaks", body=BREAKS, author_name=account.name)
    schedule_post(breaks, published_at=at + 3 * day, at=at)
    create_post(account_id=account.pk, title="Ideas for the new year", body="- more mornings?\n- a group on Saturdays?")
    _readers(account, welcome, at)
    for position, (question, answer, category) in enumerate(FAQS, start=1):
        create_faq(account_id=account.pk, question=question, body=answer, category=category, position=position)
    for position, (name, title, words) in enumerate(TESTIMONIALS, start=1):
        create_testimonial(account_id=account.pk, author_name=name, author_title=title, body=words, position=position)


def _readers(account: Account, post: BlogPost, at: datetime) -> None:
    """An approved comment of a customer who likes the post, one that waits, and one that nobody wants."""
    reader = Client.objects.filter(customer__isnull=False).select_related("customer__user").order_by("pk").first()
    if reader is not None and reader.customer is not None:
        said = write_comment(
            post, account=account, customer=reader.customer, author_name=reader.full_name, body="I was nervous.\nIt was *fine*."
        )
        approve_comment(said, at=at)
        like_post(post, user=reader.customer.user)
    write_comment(post, account=account, author_name="Sam", author_email="sam@example.org", body="Is there parking nearby?")
    spam = write_comment(post, account=account, author_name="Best prices", author_email="x@example.org", body="Visit <b>my</b> page!!!")
    mark_as_spam(spam, at=at)


furnishings.append(publish_content)
