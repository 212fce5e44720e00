from dataclasses import replace
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.content.api.staff.serializers import (
    BlogPostInListSerializer,
    BlogPostSerializer,
    CommentSerializer,
    FaqSerializer,
    NothingInput,
    PublicationInput,
    TestimonialSerializer,
)
from apps.content.models import BlogComment, BlogPost, Faq, Testimonial
from apps.content.services.comments import approve_comment, delete_comment, mark_as_spam, reject_comment
from apps.content.services.posts import archive_post, delete_post, publish_post, schedule_post
from apps.core.api.doors import DestroyMixin, ListMixin, ResourceMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, FlagFilter, Listing, ScopedChoiceFilter


class BlogPostFilter(FilterSet):
    status = filters.ChoiceFilter(choices=BlogPost.Status.choices)

    class Meta:
        model = BlogPost
        fields: ClassVar[list[str]] = []


class BlogPostViewSet(ResourceMixin, StaffViewSet):
    """Posts in every state. The list leaves their texts out; read one for `body` and `body_html`."""

    model = BlogPost
    serializer_class = BlogPostSerializer
    filterset_class = BlogPostFilter
    search_fields = ("title", "excerpt", "slug")
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "title": "title"}

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.with_counts()  # type: ignore[attr-defined]  # the model's own queryset

    def listing(self) -> Listing:
        return replace(super().listing(), serializer_class=BlogPostInListSerializer)

    @extend_schema(responses=BlogPostInListSerializer(many=True))
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def perform_destroy(self, instance: BlogPost) -> None:
        delete_post(instance)

    @extend_schema(request=NothingInput, responses=BlogPostSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Show a post to everybody from now on. One that was shown before keeps its `published_at`. 409 `invalid_transition`."""
        post = self.get_object()
        self.validated(NothingInput, request)
        publish_post(post)
        return Response(self.represent(post.pk))

    @extend_schema(request=PublicationInput, responses=BlogPostSerializer)
    @action(detail=True, methods=["post"])
    def schedule(self, request: Request, pk: str) -> Response:
        """Show a post from a time on, to the second; again with another time moves it. 409 `invalid_transition`."""
        post = self.get_object()
        schedule_post(post, **self.validated(PublicationInput, request))
        return Response(self.represent(post.pk))

    @extend_schema(request=NothingInput, responses=BlogPostSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Show a post to nobody any more; comments and likes stay with it, and it can be published again. 409 `invalid_transition`."""
        post = self.get_object()
        self.validated(NothingInput, request)
        archive_post(post)
        return Response(self.represent(post.pk))


class CommentFilter(FilterSet):
    status = filters.ChoiceFilter(choices=BlogComment.Status.choices)
    post = ScopedChoiceFilter(model=BlogPost)

    class Meta:
        model = BlogComment
        fields: ClassVar[list[str]] = []


class CommentViewSet(ListMixin, RetrieveMixin, DestroyMixin, StaffViewSet):
    """What readers say below posts: `?status=pending` waits for a decision. Readers write comments themselves, at the public door."""

    model = BlogComment
    serializer_class = CommentSerializer
    filterset_class = CommentFilter
    search_fields = ("author_name", "author_email", "body")

    def perform_destroy(self, instance: BlogComment) -> None:
        delete_comment(instance)

    @extend_schema(request=NothingInput, responses=CommentSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Show a comment below its post. Further ones of the same customer are then shown at once, unless the setting
        `comment_moderation` says otherwise. 409 `invalid_transition` when it is shown already.
        """
        return self._turn(approve_comment, request)

    @extend_schema(request=NothingInput, responses=CommentSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Do not show a comment. 409 `invalid_transition` when it was rejected already."""
        return self._turn(reject_comment, request)

    @extend_schema(request=NothingInput, responses=CommentSerializer)
    @action(detail=True, methods=["post"])
    def spam(self, request: Request, pk: str) -> Response:
        """Do not show a comment, and let further ones of the same customer wait again. 409 `invalid_transition`."""
        return self._turn(mark_as_spam, request)

    def _turn(self, service: Any, request: Request) -> Response:
        comment = self.get_object()
        self.validated(NothingInput, request)
        service(comment, by=self.caller)
        return Response(self.represent(comment.pk))


class PublishedFilter(FilterSet):
    is_published = FlagFilter()


class FaqFilter(PublishedFilter):
    category = filters.CharFilter(help_text="Exactly this one.")


IN_ORDER: dict[str, Any] = {"created_at": "created_at", "updated_at": "updated_at", "position": "position"}


class FaqViewSet(ResourceMixin, StaffViewSet):
    """Questions that are often asked."""

    model = Faq
    serializer_class = FaqSerializer
    filterset_class = FaqFilter
    search_fields = ("question", "body", "category")
    orderings: ClassVar = IN_ORDER
    default_ordering = "position"


class TestimonialViewSet(ResourceMixin, StaffViewSet):
    """What people say about the business.

    With a `review` it is verified for as long as that is published, and quotes it. 409 `review_not_published`.
    """

    model = Testimonial
    serializer_class = TestimonialSerializer
    filterset_class = PublishedFilter
    search_fields = ("author_name", "author_title", "body")
    orderings: ClassVar = IN_ORDER
    default_ordering = "position"
