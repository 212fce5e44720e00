from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.clients.api.customer.views import OwnErasureView, OwnExportViewSet

router = SimpleRouter()
router.register("export", OwnExportViewSet, basename="own-export")
urlpatterns = [
    path("erase/", OwnErasureView.as_view({"post": "create"}, basename="own-erasure"), name="own-erasure"),
    *router.urls,
]
