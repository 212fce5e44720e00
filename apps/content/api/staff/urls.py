from rest_framework.routers import SimpleRouter

from apps.content.api.staff.views import BlogPostViewSet, CommentViewSet, FaqViewSet, TestimonialViewSet

router = SimpleRouter()
router.register("blog-posts", BlogPostViewSet, basename="blog-post")
router.register("comments", CommentViewSet, basename="comment")
router.register("faqs", FaqViewSet, basename="faq")
router.register("testimonials", TestimonialViewSet, basename="testimonial")
urlpatterns = router.urls
