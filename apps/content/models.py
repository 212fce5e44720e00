"""What a business publishes, and what readers say below it."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import CheckConstraint, Count, IntegerField, OuterRef, Q, Subquery, UniqueConstraint
from django.db.models.functions import Coalesce

from apps.accounts.models import Membership
from apps.bookings.models import Review
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.users.models import Customer

MAX_SLUG = 100
MAX_MARKDOWN = 50_000
"""Characters of a post or an answer as they are written: about 25 pages, and at most two seconds of parsing."""

is_slug = RegexValidator(r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", "Use small letters a to z, digits and single hyphens between them.")


class RenderedModel(TenantModel):
    """Text of people with the HTML that is made of it when it is written, and the version of the policy that made it.

    ``body_html`` is the only HTML of theirs that leaves the house (apps/content/sanitising.py).
    """

    body_html = models.TextField(blank=True, editable=False)
    policy_version = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        abstract = True


class BlogPostQuerySet(models.QuerySet):
    def shown(self, at: datetime) -> "BlogPostQuerySet":
        """Those that everybody may read at this time: a scheduled one appears when its time has come, not when a job has run."""
        return self.filter(status__in=(BlogPost.Status.PUBLISHED, BlogPost.Status.SCHEDULED), published_at__lte=at)

    def with_counts(self) -> "BlogPostQuerySet":
        """``like_count`` and ``comment_count`` (approved ones), counted: nothing that could be wrong is stored."""
        approved = BlogComment._base_manager.filter(status=BlogComment.Status.APPROVED)
        return self.annotate(like_count=_count(BlogLike._base_manager.all()), comment_count=_count(approved))


def _count(children: models.QuerySet) -> Coalesce:
    """How many of these belong to the outer post."""
    counted = children.filter(post_id=OuterRef("pk")).order_by().values("post_id").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


class BlogPost(RenderedModel):
    """An article: ``body`` is Markdown. It is read by everybody once it is published, or scheduled and its time has come."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        SCHEDULED = "scheduled"
        PUBLISHED = "published"
        ARCHIVED = "archived"

    title = models.CharField(max_length=200)
    slug = models.SlugField(max_length=MAX_SLUG, db_index=False, validators=[is_slug], help_text="The post's name in its address.")
    body = models.TextField(max_length=MAX_MARKDOWN, blank=True, help_text="Markdown.")
    excerpt = models.CharField(max_length=500, blank=True, help_text="A few plain sentences for lists and search engines.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    published_at = models.DateTimeField(null=True, blank=True)
    author = TenantForeignKey(Membership, models.SET_NULL, related_name="blog_posts", null=True, blank=True)
    author_name = models.CharField(max_length=200, blank=True, help_text="As readers see it; empty: nobody is named.")
    comments_open = models.BooleanField(default=True)

    objects: ClassVar[Any] = scoped(BlogPostQuerySet)
    history = history(excluded_fields=["body_html", "policy_version"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="content_blogpost_tenant_key"),
            SameAccount("author", name="content_blogpost_author_account"),
            UniqueConstraint(
                fields=["account", "slug"],
                name="content_blogpost_unique_slug",
                violation_error_message="Another post has this slug already.",
            ),
            CheckConstraint(
                condition=~Q(status__in=["scheduled", "published"]) | Q(published_at__isnull=False),
                name="content_blogpost_has_time",
                violation_error_message="A post that is scheduled or published has a time.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-created_at", "-id"], name="content_blogpost_recent"),  # blog-posts/
            models.Index(  # public blog-posts/
                fields=["account", "-published_at", "-id"],
                name="content_blogpost_shown",
                condition=Q(status__in=["scheduled", "published"]),
            ),
            models.Index(fields=["published_at"], name="content_blogpost_due", condition=Q(status="scheduled")),  # the job
        ]

    def __str__(self) -> str:
        return self.title


class BlogComment(RenderedModel):
    """What a reader says below a post: plain text, shown once it is approved.

    ``customer`` wrote it signed in; without one it was a guest, whose ``author_email`` is shown to staff only.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"
        SPAM = "spam"

    post = TenantForeignKey(BlogPost, models.CASCADE, related_name="comments", db_index=False)
    customer = models.ForeignKey(Customer, models.SET_NULL, related_name="blog_comments", null=True, blank=True)
    author_name = models.CharField(max_length=100)
    author_email = models.EmailField(max_length=254, blank=True)
    body = models.TextField(max_length=5000)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    moderated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    moderated_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = scoped()
    # What the history is for is who decided what; the words and the address of a person are kept once, where they can be erased.
    history = history(excluded_fields=["body", "body_html", "policy_version", "author_name", "author_email"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="content_blogcomment_tenant_key"),
            SameAccount("post", name="content_blogcomment_post_account"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-created_at", "-id"], name="content_blogcomment_recent"),  # comments/
            models.Index(fields=["post", "-created_at", "-id"], name="content_blogcomment_of_post"),  # public …/comments/
        ]

    def __str__(self) -> str:
        return f"{self.author_name}: {self.body[:40]}"

    @property
    def concerned_client_id(self) -> int | None:
        """Who the writer is to this account, so that the event stands in their timeline."""
        if self.customer_id is None:
            return None
        return Client.objects.current().filter(customer_id=self.customer_id).values_list("pk", flat=True).first()


class BlogLike(TenantModel):
    """Somebody likes a post; nobody can twice."""

    post = TenantForeignKey(BlogPost, models.CASCADE, related_name="likes", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="content_bloglike_tenant_key"),
            SameAccount("post", name="content_bloglike_post_account"),
            UniqueConstraint(fields=["post", "user"], name="content_bloglike_one_each"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.post_id}"


class Faq(RenderedModel):
    """A question that is often asked. ``body`` is the answer in Markdown; ``position`` orders them."""

    question = models.CharField(max_length=300)
    body = models.TextField(max_length=MAX_MARKDOWN, help_text="The answer in Markdown.")
    category = models.CharField(max_length=100, blank=True)
    position = models.PositiveIntegerField(default=0, help_text="Lower ones come first.")
    is_published = models.BooleanField(default=True)

    history = history(excluded_fields=["body_html", "policy_version"])

    class Meta:
        verbose_name = "FAQ"
        verbose_name_plural = "FAQs"
        constraints: ClassVar = [TenantKey(name="content_faq_tenant_key")]
        indexes: ClassVar = [
            models.Index(fields=["account", "-created_at", "-id"], name="content_faq_recent"),  # faqs/
            models.Index(fields=["account", "position", "id"], name="content_faq_in_order"),  # public faqs/
        ]

    def __str__(self) -> str:
        return self.question


class Testimonial(TenantModel):
    """What somebody says about the business, in plain text. With a ``review`` it quotes it, and is verified while that is published."""

    author_name = models.CharField(max_length=200)
    author_title = models.CharField(max_length=200, blank=True, help_text="Who they are: a profession, a company.")
    body = models.TextField(max_length=5000)
    review = TenantForeignKey(Review, models.SET_NULL, related_name="testimonials", null=True, blank=True, db_index=False)
    position = models.PositiveIntegerField(default=0, help_text="Lower ones come first.")
    is_published = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="content_testimonial_tenant_key"),
            SameAccount("review", name="content_testimonial_review_account"),
            UniqueConstraint(
                fields=["review"],
                name="content_testimonial_one_of_review",
                violation_error_message="There is a testimonial of this review already.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-created_at", "-id"], name="content_testimonial_recent"),  # testimonials/
            models.Index(fields=["account", "position", "id"], name="content_testimonial_in_order"),  # public testimonials/
        ]

    def __str__(self) -> str:
        return self.author_name


__all__ = ["BlogComment", "BlogLike", "BlogPost", "Faq", "Testimonial"]
