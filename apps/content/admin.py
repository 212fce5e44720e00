from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from apps.content.models import BlogComment, BlogLike, BlogPost, Faq, RenderedModel, Testimonial
from apps.content.services.comments import approve_comment, delete_comment, mark_as_spam, reject_comment
from apps.content.services.pages import create_faq, create_testimonial, update_faq, update_testimonial
from apps.content.services.posts import archive_post, create_post, delete_post, publish_post, update_post
from apps.core.admin import ReadOnlyAdmin, TenantAdmin
from apps.core.errors import DomainError

FRAMED = (
    '<!doctype html><meta charset="utf-8">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src https:; style-src 'unsafe-inline'\">"
    "<style>body{{margin:0;padding:12px;background:#fff;color:#18181b;font:16px/1.5 sans-serif;overflow-wrap:anywhere}}</style>{}"
)


class WithPreview:
    """Shows a row's HTML as readers see it, in a frame without scripts, forms, an origin or anything of this page.

    The HTML was sanitised when it was written; the sandbox and a policy of its own see to it that nothing would run if it was not.
    """

    @admin.display(description="Preview")
    def preview(self, row: RenderedModel) -> str:
        page = FRAMED.format(row.body_html)
        return format_html('<iframe sandbox="" referrerpolicy="no-referrer" width="100%" height="360" srcdoc="{}"></iframe>', page)


def _done(admin_: TenantAdmin, request: HttpRequest, rows: QuerySet, service: Callable[[Any], Any], said: str) -> None:
    """Run the service for each chosen row; the refused ones are said by their number, the others are done."""
    done = 0
    for row in rows.order_by("pk"):
        try:
            service(row)
            done += 1
        except DomainError as refused:
            admin_.message_user(request, f"{row.pk}: {refused.message}", messages.ERROR)
    if done:
        admin_.message_user(request, f"{done} {said}.", messages.SUCCESS)


@admin.register(BlogPost)
class BlogPostAdmin(WithPreview, TenantAdmin):
    """Posts. They are scheduled through the API."""

    resource = "blog-post"
    list_display = ("title", "slug", "status", "published_at", "author", "updated_at")
    list_filter = ("status",)
    search_fields = ("title", "slug", "excerpt")
    date_hierarchy = "published_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("author__user",)
    fields = ("title", "slug", "body", "preview", "excerpt", "author", "author_name", "comments_open", "status", "published_at")
    readonly_fields = ("preview", "status", "published_at")
    prepopulated_fields = {"slug": ("title",)}
    actions = ("publish", "archive")

    def insert(self, request: HttpRequest, row: BlogPost, values: dict[str, Any]) -> None:
        row.pk = create_post(account_id=row.account_id, **values).pk

    def update(self, request: HttpRequest, row: BlogPost, values: dict[str, Any]) -> None:
        update_post(row, **values)

    def remove(self, request: HttpRequest, row: BlogPost) -> None:
        delete_post(row)

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return self._writable_here() and self.admin_site.may(request, self.resource, "publish")

    @admin.action(description="Publish now", permissions=["publish"])
    def publish(self, request: HttpRequest, posts: QuerySet) -> None:
        _done(self, request, posts, publish_post, "published")

    @admin.action(description="Archive", permissions=["publish"])
    def archive(self, request: HttpRequest, posts: QuerySet) -> None:
        _done(self, request, posts, archive_post, "archived")


@admin.register(BlogComment)
class BlogCommentAdmin(WithPreview, TenantAdmin):
    """What readers say, to read and to decide about; nobody changes somebody else's words."""

    resource = "comment"
    list_display = ("created_at", "post", "author_name", "body", "status", "moderated_at")
    list_filter = ("status",)
    search_fields = ("author_name", "author_email", "body", "post__title")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("post",)
    fields = ("post", "customer", "author_name", "author_email", "body", "preview", "status", "moderated_by", "moderated_at", "created_at")
    writes = frozenset({"destroy"})
    actions = ("approve", "reject", "mark_as_spam")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fields

    def remove(self, request: HttpRequest, row: BlogComment) -> None:
        delete_comment(row)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return self._writable_here() and self.admin_site.may(request, self.resource, "approve")

    @admin.action(description="Approve", permissions=["moderate"])
    def approve(self, request: HttpRequest, comments: QuerySet) -> None:
        _done(self, request, comments, lambda comment: approve_comment(comment, by=request.user), "approved")  # type: ignore[arg-type]

    @admin.action(description="Reject", permissions=["moderate"])
    def reject(self, request: HttpRequest, comments: QuerySet) -> None:
        _done(self, request, comments, lambda comment: reject_comment(comment, by=request.user), "rejected")  # type: ignore[arg-type]

    @admin.action(description="Mark as spam", permissions=["moderate"])
    def mark_as_spam(self, request: HttpRequest, comments: QuerySet) -> None:
        _done(self, request, comments, lambda comment: mark_as_spam(comment, by=request.user), "marked as spam")  # type: ignore[arg-type]


@admin.register(BlogLike)
class BlogLikeAdmin(ReadOnlyAdmin):
    """Who likes what."""

    resource = "blog-post"
    list_display = ("created_at", "post", "user")
    ordering = ("-created_at", "-pk")
    list_select_related = ("post", "user")


@admin.register(Faq)
class FaqAdmin(WithPreview, TenantAdmin):
    """Questions that are often asked."""

    resource = "faq"
    list_display = ("question", "category", "position", "is_published", "updated_at")
    list_filter = ("is_published", "category")
    search_fields = ("question", "body", "category")
    ordering = ("position", "pk")
    fields = ("question", "body", "preview", "category", "position", "is_published")
    readonly_fields = ("preview",)

    def insert(self, request: HttpRequest, row: Faq, values: dict[str, Any]) -> None:
        row.pk = create_faq(account_id=row.account_id, **values).pk

    def update(self, request: HttpRequest, row: Faq, values: dict[str, Any]) -> None:
        update_faq(row, **values)


@admin.register(Testimonial)
class TestimonialAdmin(TenantAdmin):
    """What people say about the business."""

    resource = "testimonial"
    list_display = ("author_name", "author_title", "position", "review", "is_published", "updated_at")
    list_filter = ("is_published",)
    search_fields = ("author_name", "author_title", "body")
    ordering = ("position", "pk")
    fields = ("author_name", "author_title", "body", "review", "position", "is_published")

    def insert(self, request: HttpRequest, row: Testimonial, values: dict[str, Any]) -> None:
        row.pk = create_testimonial(account_id=row.account_id, **values).pk

    def update(self, request: HttpRequest, row: Testimonial, values: dict[str, Any]) -> None:
        update_testimonial(row, **values)
