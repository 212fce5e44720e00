from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.content.api.public.views import (
    PublicCommentViewSet,
    PublicFaqViewSet,
    PublicLikeViewSet,
    PublicPostViewSet,
    PublicTestimonialViewSet,
)

router = SimpleRouter()
router.register("blog-posts", PublicPostViewSet, basename="public-blog-post")
router.register("faqs", PublicFaqViewSet, basename="public-faq")
router.register("testimonials", PublicTestimonialViewSet, basename="public-testimonial")

COMMENTS = PublicCommentViewSet.as_view({"get": "list", "post": "create"}, basename="public-blog-comment")
LIKE = PublicLikeViewSet.as_view({"get": "retrieve", "post": "create", "delete": "destroy"}, basename="public-blog-like")

urlpatterns = [
    *router.urls,
    path("blog-posts/<str:pk>/comments/", COMMENTS, name="public-blog-comment-list"),
    path("blog-posts/<str:pk>/like/", LIKE, name="public-blog-like-detail"),
]
