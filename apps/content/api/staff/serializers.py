from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.api.reviews import PlainTextField
from apps.bookings.models import Review
from apps.content.models import MAX_MARKDOWN, BlogComment, BlogPost, Faq, Testimonial
from apps.content.services.comments import comment_actions
from apps.content.services.pages import create_faq, create_testimonial, update_faq, update_testimonial
from apps.content.services.posts import create_post, post_actions, update_post
from apps.core.api.fields import InstantField, OneLineField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer

ACTIONS = serializers.ListField(child=serializers.CharField(), read_only=True)
HTML_HELP = "Made of the text when it is written, and safe to show: a closed list of elements, no scripts, styles, forms or frames."


class MarkdownField(PlainTextField):
    """Markdown (CommonMark with tables and strikethrough). HTML in it is shown as text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_MARKDOWN, **kwargs})


class NothingInput(InputSerializer):
    """An action without anything to say."""


class BlogPostInListSerializer(ResourceSerializer):
    """A post without its text: read one of them for that."""

    like_count = serializers.IntegerField(read_only=True)
    comment_count = serializers.IntegerField(read_only=True, help_text="Approved ones.")
    allowed_actions = Computed(post_actions, needs=["status"], schema=ACTIONS, help_text="What the state allows now.")

    class Meta:
        model = BlogPost
        fields: ClassVar = [
            "id",
            "title",
            "slug",
            "excerpt",
            "status",
            "published_at",
            "author",
            "author_name",
            "comments_open",
            "like_count",
            "comment_count",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class BlogPostSerializer(BlogPostInListSerializer):
    """A post. `body` is what was written, `body_html` what readers are shown. It begins as a draft."""

    title = OneLineField(max_length=200)
    body = MarkdownField(required=False, allow_blank=True, trim_whitespace=False, help_text="Markdown, at most 50,000 characters.")
    excerpt = OneLineField(max_length=500, required=False, allow_blank=True, help_text="Plain text for lists and search engines.")
    author_name = OneLineField(max_length=200, required=False, allow_blank=True, help_text="As readers see it; empty: nobody is named.")

    class Meta:
        model = BlogPost
        fields: ClassVar = [
            *BlogPostInListSerializer.Meta.fields[:4],
            "body",
            "body_html",
            *BlogPostInListSerializer.Meta.fields[4:],
        ]
        read_only_fields: ClassVar = ["body_html", "status", "published_at"]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "slug": {
                "required": False,
                "help_text": "Small letters, digits and hyphens; made of the title when it is left out. Addresses break when it changes.",
            },
            "author": {"help_text": "A membership; the caller's own when it is left out. Only staff see it."},
            "body_html": {"help_text": HTML_HELP},
            "comments_open": {"help_text": "Whether readers may comment; the setting `comments_open` closes all posts."},
        }

    def create(self, validated_data: dict[str, Any]) -> BlogPost:
        return create_post(**{"author": self.context["view"].membership, **validated_data})

    def update(self, instance: BlogPost, validated_data: dict[str, Any]) -> BlogPost:
        return update_post(instance, **validated_data)


class PublicationInput(InputSerializer):
    """When everybody may read it."""

    published_at = InstantField(help_text="Ahead of now; the post appears at this very time.")


class CommentSerializer(ResourceSerializer):
    """What a reader says below a post. `body` is plain text: escape it, or show `body_html`."""

    post_title = serializers.CharField(source="post.title", read_only=True)
    post_slug = serializers.CharField(source="post.slug", read_only=True)
    allowed_actions = Computed(comment_actions, needs=["status"], schema=ACTIONS, help_text="What the state allows now.")

    class Meta:
        model = BlogComment
        fields: ClassVar = [
            "id",
            "post",
            "post_title",
            "post_slug",
            "customer",
            "author_name",
            "author_email",
            "body",
            "body_html",
            "status",
            "moderated_by",
            "moderated_at",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "customer": {"help_text": "Who wrote it signed in; null for a guest."},
            "author_email": {"help_text": "Of a guest, who has not proved it. Readers never see it."},
            "moderated_by": {"help_text": "The user who decided; null before."},
        }


class FaqSerializer(ResourceSerializer):
    """A question that is often asked; `body` is its answer in Markdown, `body_html` what readers are shown."""

    question = OneLineField(max_length=300)
    body = MarkdownField(trim_whitespace=False, help_text="The answer in Markdown, at most 50,000 characters.")
    category = OneLineField(max_length=100, required=False, allow_blank=True)

    class Meta:
        model = Faq
        fields: ClassVar = ["id", "question", "body", "body_html", "category", "position", "is_published", "created_at", "updated_at"]
        read_only_fields: ClassVar = ["body_html"]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "body_html": {"help_text": HTML_HELP},
            "position": {"max_value": 1_000_000},
        }

    def create(self, validated_data: dict[str, Any]) -> Faq:
        return create_faq(**validated_data)

    def update(self, instance: Faq, validated_data: dict[str, Any]) -> Faq:
        return update_faq(instance, **validated_data)


def is_verified(review_status: str | None) -> bool:
    """Whether everybody can read the review that a testimonial quotes."""
    return review_status == Review.Status.PUBLISHED


def verified_rating(review_status: str | None, rating: int | None) -> int | None:
    """The stars of that review."""
    return rating if is_verified(review_status) else None


VERIFIED = Computed(
    is_verified,
    needs=["review__status"],
    schema=serializers.BooleanField(read_only=True),
    help_text="It quotes the published review of a session that took place.",
)
RATING = Computed(
    verified_rating,
    needs=["review__status", "review__rating"],
    schema=serializers.IntegerField(read_only=True, allow_null=True),
    help_text="1 to 5, of that review; null when it is not verified.",
)


class TestimonialSerializer(ResourceSerializer):
    """What somebody says about the business, in plain text: escape it where you show it."""

    author_name = OneLineField(max_length=200)
    author_title = OneLineField(max_length=200, required=False, allow_blank=True)
    body = PlainTextField(required=False, allow_blank=True, help_text="With a review: a part of its comment; left out, all of it.")
    is_verified = VERIFIED
    rating = RATING

    class Meta:
        model = Testimonial
        fields: ClassVar = [
            "id",
            "author_name",
            "author_title",
            "body",
            "review",
            "is_verified",
            "rating",
            "position",
            "is_published",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "review": {"help_text": "A published review that it quotes; one testimonial each."},
            "position": {"max_value": 1_000_000},
        }

    def create(self, validated_data: dict[str, Any]) -> Testimonial:
        return create_testimonial(**validated_data)

    def update(self, instance: Testimonial, validated_data: dict[str, Any]) -> Testimonial:
        return update_testimonial(instance, **validated_data)
