import re
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import PublicDoor
from apps.content.api.public.serializers import (
    CommentInput,
    LikeSerializer,
    PublicCommentSerializer,
    PublicFaqSerializer,
    PublicPostInListSerializer,
    PublicPostSerializer,
    PublicTestimonialSerializer,
    WrittenCommentSerializer,
)
from apps.content.api.staff.serializers import NothingInput
from apps.content.models import BlogComment, BlogLike, BlogPost, Faq, Testimonial, is_slug
from apps.content.services.comments import like_post, unlike_post, write_comment
from apps.core.api import reading
from apps.core.api.doors import ListMixin
from apps.core.api.limits import Allowance
from apps.core.api.listing import FilterSet, Listing
from apps.core.errors import NotFound
from apps.users.models import User
from apps.users.models.user import normalize_email

HOUR = 3600
COMMENTS = Allowance("comment", 10)
"""Per login, or per network of guests, and hour."""
LIKES = Allowance("like", 120)
"""Changes of mind per login and hour."""

BY_SLUG = OpenApiParameter("pk", str, OpenApiParameter.PATH, description="The post's slug.")
COMMENT = {"name": "Ada", "email": "ada@example.org", "body": "That was a help.\nThank you!"}
WRITTEN = {
    "id": 5,
    "author_name": "Ada",
    "signed_in": False,
    "body": "That was a help.\nThank you!",
    "body_html": "<p>That was a help.<br>Thank you!</p>",
    "created_at": "2026-11-23T10:00:00Z",
    "status": "pending",
}


def named(slug: str, posts: QuerySet) -> QuerySet:
    """Of these posts the one with this slug; what cannot be one finds nothing."""
    return posts.filter(slug=slug) if re.fullmatch(is_slug.regex, slug) else posts.none()


class PublicPostViewSet(ListMixin, PublicDoor):
    """What the business has published, the newest first. A scheduled post appears at its time."""

    model = BlogPost
    serializer_class = PublicPostSerializer
    orderings: ClassVar = {"published_at": "published_at", "title": "title"}
    default_ordering = "-published_at"
    search_fields = ("title", "excerpt")
    max_age = 60

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.with_counts()  # type: ignore[attr-defined]  # the model's own queryset

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.shown(timezone.now())  # type: ignore[attr-defined]

    def listing(self) -> Listing:
        return replace(super().listing(), serializer_class=PublicPostInListSerializer)

    @extend_schema(responses=PublicPostInListSerializer(many=True))
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[BY_SLUG], responses=PublicPostSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One post by its slug. `body_html` may be put into a page as it is."""
        found = reading.represent(PublicPostSerializer, named(self.kwargs["pk"], self.get_queryset()))
        if not found:
            raise NotFound
        return Response(found[0])


class OfPost(PublicDoor):
    """What belongs to the post that the address names by its slug; 404 for a post that is not shown."""

    @cached_property
    def post_shown(self) -> BlogPost:
        found = named(self.kwargs["pk"], BlogPost.objects.shown(timezone.now())).first()
        if found is None:
            raise NotFound
        return found

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(post_id=self.post_shown.pk)


class PublicCommentViewSet(ListMixin, OfPost):
    """What readers say below a post, the oldest first. Only approved comments are shown."""

    model = BlogComment
    serializer_class = PublicCommentSerializer
    orderings: ClassVar = {"created_at": "created_at"}
    default_ordering = "created_at"
    max_age = 0

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.filter(status=BlogComment.Status.APPROVED)

    @extend_schema(parameters=[BY_SLUG])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[BY_SLUG],
        request=CommentInput,
        responses={201: WrittenCommentSerializer},
        examples=[
            OpenApiExample("A guest", value=COMMENT, request_only=True),
            OpenApiExample("It waits", value=WRITTEN, response_only=True, status_codes=["201"]),
        ],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say something below a post, signed in or as a guest.

        `status` is `approved` when it is shown at once, and `pending` while staff have to look at it; unless the business has set it
        otherwise, comments of guests wait, and those of customers until one was approved. 409 `comments_closed`. 429 `rate_limited`: ten
        an hour from one login or network.
        """
        post = self.post_shown
        data = self.validated(CommentInput, request)
        COMMENTS.take(self.counted_as, seconds=HOUR)
        customer = self.buyer.customer if self.buyer is not None else None
        comment = write_comment(
            post,
            account=self.account,
            customer=customer,
            author_name=(customer.full_name[:100] if customer is not None else "") or data["name"],
            author_email=normalize_email(data.get("email", "")),
            body=data["body"],
        )
        written = reading.represent(WrittenCommentSerializer, BlogComment.objects.filter(pk=comment.pk))[0]
        return Response(written, status=status.HTTP_201_CREATED)


class PublicLikeViewSet(OfPost):
    """Liking a post, for whoever has signed in."""

    model = BlogLike
    serializer_class = LikeSerializer

    @property
    def reader(self) -> User:
        """Who has signed in. Raises NotAuthenticated (401)."""
        if not isinstance(self.request.user, User):
            raise exceptions.NotAuthenticated("Sign in to like posts.")
        return self.request.user

    @extend_schema(parameters=[BY_SLUG], responses=LikeSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Whether you like the post."""
        return self._standing(self.post_shown)

    @extend_schema(parameters=[BY_SLUG], request=NothingInput, responses=LikeSerializer)
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Like the post. A second time changes nothing. 401 `not_authenticated` without a login."""
        post = self.post_shown
        self.validated(NothingInput, request)
        LIKES.take(f"user {self.reader.pk}", seconds=HOUR)
        like_post(post, user=self.reader)
        return self._standing(post)

    @extend_schema(parameters=[BY_SLUG], responses={200: LikeSerializer})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Like the post no longer. A second time changes nothing."""
        post = self.post_shown
        LIKES.take(f"user {self.reader.pk}", seconds=HOUR)
        unlike_post(post, user=self.reader)
        return self._standing(post)

    def _standing(self, post: BlogPost) -> Response:
        liking = BlogLike.objects.filter(post=post)
        return Response({"liked": liking.filter(user=self.reader).exists(), "like_count": liking.count()})


class PublicFaqFilter(FilterSet):
    category = filters.CharFilter(help_text="Exactly this one.")


class PublicFaqViewSet(ListMixin, PublicDoor):
    """Questions that are often asked, in the business's order."""

    model = Faq
    serializer_class = PublicFaqSerializer
    filterset_class = PublicFaqFilter
    orderings: ClassVar = {"position": "position"}
    default_ordering = "position"
    search_fields = ("question", "body")
    max_age = 60

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.filter(is_published=True)


class PublicTestimonialViewSet(ListMixin, PublicDoor):
    """What people say about the business, in its order."""

    model = Testimonial
    serializer_class = PublicTestimonialSerializer
    orderings: ClassVar = {"position": "position"}
    default_ordering = "position"
    max_age = 60

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.filter(is_published=True)
