from rest_framework.routers import SimpleRouter

from apps.clients.api.staff.blocking import BlockedContactViewSet
from apps.clients.api.staff.care import NoteViewSet, TaskViewSet
from apps.clients.api.staff.lists import (
    ClientExportRequestViewSet,
    ClientExportViewSet,
    ClientImportUploadViewSet,
    ClientImportViewSet,
)
from apps.clients.api.staff.merging import ClientMergeViewSet
from apps.clients.api.staff.sorting import CustomFieldViewSet, SegmentViewSet, TagViewSet
from apps.clients.api.staff.subjects import ErasureViewSet, SubjectExportViewSet
from apps.clients.api.staff.views import ClientViewSet

router = SimpleRouter()
router.register("clients/import", ClientImportUploadViewSet, basename="client-import-upload")
router.register("clients/export", ClientExportRequestViewSet, basename="client-export-request")
router.register("client-imports", ClientImportViewSet, basename="client-import")
router.register("client-exports", ClientExportViewSet, basename="client-export")
router.register("clients", ClientViewSet, basename="client")
router.register("merges", ClientMergeViewSet, basename="client-merge")
router.register("client-notes", NoteViewSet, basename="client-note")
router.register("client-tasks", TaskViewSet, basename="client-task")
router.register("blocked-contacts", BlockedContactViewSet, basename="blocked-contact")
router.register("custom-fields", CustomFieldViewSet, basename="custom-field")
router.register("segments", SegmentViewSet, basename="segment")
router.register("subject-exports", SubjectExportViewSet, basename="subject-export")
router.register("erasures", ErasureViewSet, basename="erasure")
router.register("tags", TagViewSet, basename="tag")
urlpatterns = router.urls
