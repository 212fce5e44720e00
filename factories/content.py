from datetime import UTC, datetime

import factory

from apps.content.models import BlogComment, BlogLike, BlogPost, Faq, Testimonial
from apps.content.sanitising import POLICY_VERSION, article_html, comment_html
from factories.base import TenantFactory
from factories.users import UserFactory


class BlogPostFactory(TenantFactory):
    """A post that everybody can read."""

    title = factory.Sequence(lambda n: f"Post {n}")
    slug = factory.Sequence(lambda n: f"post-{n}")
    body = "Words *of ours*."
    body_html = factory.LazyAttribute(lambda o: article_html(o.body))
    policy_version = POLICY_VERSION
    status = BlogPost.Status.PUBLISHED
    published_at = datetime(2026, 11, 1, 9, tzinfo=UTC)

    class Meta:
        model = BlogPost


class BlogCommentFactory(TenantFactory):
    """A guest's comment that everybody can read."""

    post = factory.SubFactory(BlogPostFactory, account=factory.SelfAttribute("..account"))
    author_name = factory.Sequence(lambda n: f"Reader {n}")
    author_email = factory.Sequence(lambda n: f"reader{n}@example.test")
    body = "Well said."
    body_html = factory.LazyAttribute(lambda o: comment_html(o.body))
    policy_version = POLICY_VERSION
    status = BlogComment.Status.APPROVED

    class Meta:
        model = BlogComment


class BlogLikeFactory(TenantFactory):
    post = factory.SubFactory(BlogPostFactory, account=factory.SelfAttribute("..account"))
    user = factory.SubFactory(UserFactory)

    class Meta:
        model = BlogLike


class FaqFactory(TenantFactory):
    question = factory.Sequence(lambda n: f"Question {n}?")
    body = "An *answer*."
    body_html = factory.LazyAttribute(lambda o: article_html(o.body))
    policy_version = POLICY_VERSION

    class Meta:
        model = Faq


class TestimonialFactory(TenantFactory):
    __test__ = False  # pytest collects what is called Test…

    author_name = factory.Sequence(lambda n: f"Customer {n}")
    body = "The best hour of my week."

    class Meta:
        model = Testimonial
