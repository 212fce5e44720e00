from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.api.reviews import PlainTextField
from apps.content.api.staff.serializers import HTML_HELP, RATING, VERIFIED
from apps.content.models import BlogComment, BlogPost, Faq, Testimonial
from apps.core.api.fields import OneLineField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer


class PublicPostInListSerializer(ResourceSerializer):
    """A post in a list: `GET blog-posts/<slug>/` has its text."""

    like_count = serializers.IntegerField(read_only=True)
    comment_count = serializers.IntegerField(read_only=True)

    class Meta:
        model = BlogPost
        fields: ClassVar = ["id", "slug", "title", "excerpt", "author_name", "published_at", "comments_open", "like_count", "comment_count"]
        read_only_fields = fields


class PublicPostSerializer(PublicPostInListSerializer):
    """A post with its text."""

    class Meta(PublicPostInListSerializer.Meta):
        fields: ClassVar = [*PublicPostInListSerializer.Meta.fields, "body_html", "updated_at"]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"body_html": {"help_text": HTML_HELP}}


def _is_somebody(customer_id: int | None) -> bool:
    return customer_id is not None


class PublicCommentSerializer(ResourceSerializer):
    """What a reader says. `body` is plain text: escape it, or show `body_html` (paragraphs and line breaks only)."""

    signed_in = Computed(
        _is_somebody,
        needs=["customer_id"],
        schema=serializers.BooleanField(read_only=True),
        help_text="Written by somebody with a login, under the name of their profile; a guest may give any name.",
    )

    class Meta:
        model = BlogComment
        fields: ClassVar = ["id", "author_name", "signed_in", "body", "body_html", "created_at"]
        read_only_fields = fields


class WrittenCommentSerializer(PublicCommentSerializer):
    """A comment that has just been written; while it is `pending`, nobody else sees it."""

    class Meta(PublicCommentSerializer.Meta):
        fields: ClassVar = [*PublicCommentSerializer.Meta.fields, "status"]
        read_only_fields = fields


class CommentInput(InputSerializer):
    """A comment. Guests give a name and an address, which is never shown; who has signed in leaves the address out, and the name, too,
    where their profile has one.
    """

    body = PlainTextField(help_text="Plain text, at most 5,000 characters.")
    name = OneLineField(max_length=100, required=False, allow_blank=True, help_text="As it is shown. Guests: required.")
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True, help_text="Guests: required. It is never shown.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        reader = self.context["view"].buyer
        if reader is None:
            missing = [name for name in ("name", "email") if not attrs.get(name)]
        else:
            if attrs.get("email"):
                raise serializers.ValidationError({"email": ["You have signed in: leave it out."]})
            if reader.customer.full_name and attrs.get("name"):
                raise serializers.ValidationError({"name": ["You have signed in: your profile has a name."]})
            missing = [] if reader.customer.full_name or attrs.get("name") else ["name"]
        if missing:
            raise serializers.ValidationError({name: ["This field is required."] for name in missing})
        return attrs


class LikeSerializer(serializers.Serializer):
    """Whether you like a post, and how many do."""

    liked = serializers.BooleanField()
    like_count = serializers.IntegerField()


class PublicFaqSerializer(ResourceSerializer):
    """A question with its answer."""

    class Meta:
        model = Faq
        fields: ClassVar = ["id", "question", "body_html", "category", "position"]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"body_html": {"help_text": HTML_HELP}}


class PublicTestimonialSerializer(ResourceSerializer):
    """What somebody says about the business, in plain text: escape it where you show it."""

    is_verified = VERIFIED
    rating = RATING

    class Meta:
        model = Testimonial
        fields: ClassVar = ["id", "author_name", "author_title", "body", "is_verified", "rating", "position"]
        read_only_fields = fields
