"""Notes, tasks and consents: below their client, and at addresses of their own."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Membership
from apps.accounts.policy import MANAGERS
from apps.clients.api.own import OwnClientsViewSet
from apps.clients.models import Client, ClientConsent, ClientNote, ClientTask
from apps.clients.services.care import (
    add_note,
    add_task,
    change_note,
    change_task,
    delete_note,
    delete_task,
    finish_task,
    record_consent,
    reopen_task,
)
from apps.core.api import reading
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.fields import InstantField, OneLineField
from apps.core.api.listing import FilterSet, FlagFilter, InstantFilter, ScopedChoiceFilter, page_of
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.core.api.schema import paged
from apps.core.errors import NotAllowed

MAX_NOTE, MAX_TITLE, MAX_PURPOSE, MAX_WORDING, MAX_SOURCE = 10_000, 200, 50, 5_000, 50


class NoteSerializer(ResourceSerializer):
    """What staff want to remember about a client. It is never shown to the client, and is part of no event."""

    class Meta:
        model = ClientNote
        fields: ClassVar = ["id", "client", "body", "is_pinned", "author", "created_at", "updated_at"]
        read_only_fields: ClassVar = ["client", "author"]


class NoteInput(InputSerializer):
    body = serializers.CharField(max_length=MAX_NOTE)
    is_pinned = serializers.BooleanField(default=False)


class NoteChange(InputSerializer):
    body = serializers.CharField(max_length=MAX_NOTE, required=False)
    is_pinned = serializers.BooleanField(required=False)


class TaskSerializer(ResourceSerializer):
    """Something to do for a client. ``assignee`` is a member; they are told when ``due_at`` has come and it is not done."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    is_done = Computed(lambda done_at: done_at is not None, needs=("done_at",), schema=serializers.BooleanField())

    class Meta:
        model = ClientTask
        fields: ClassVar = [
            "id",
            "client",
            "client_name",
            "title",
            "due_at",
            "assignee",
            "author",
            "is_done",
            "done_at",
            "done_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields: ClassVar = ["client", "author", "done_at", "done_by"]


class TaskChange(InputSerializer):
    title = OneLineField(max_length=MAX_TITLE, required=False)
    due_at = InstantField(required=False, allow_null=True)
    assignee = ScopedRelatedField(model=Membership, required=False, allow_null=True)

    def validate_assignee(self, member: Membership | None) -> Membership | None:
        if member is not None and not member.is_active:
            raise serializers.ValidationError("This member is not active any more.")
        return member


class TaskInput(TaskChange):
    title = OneLineField(max_length=MAX_TITLE)


class ConsentSerializer(ResourceSerializer):
    """One statement of a client. ``consents`` of the client is the latest of each purpose."""

    class Meta:
        model = ClientConsent
        fields: ClassVar = ["id", "client", "purpose", "granted", "wording", "source", "given_at", "actor", "created_at"]
        read_only_fields = fields


class ConsentInput(InputSerializer):
    purpose = serializers.RegexField(r"^[a-z][a-z0-9_]*$", max_length=MAX_PURPOSE, help_text="For example newsletter, photos, health_data.")
    granted = serializers.BooleanField(help_text="false: withdrawn.")
    wording = serializers.CharField(max_length=MAX_WORDING, required=False, allow_blank=True, help_text="The sentence they agreed to.")
    source = OneLineField(  # type: ignore[assignment]  # the field has the name of an attribute of DRF's
        max_length=MAX_SOURCE, required=False, allow_blank=True, help_text="Where it was given: paper, phone, web …"
    )
    given_at = InstantField(required=False, help_text="When; now, unless it is entered later.")


class NothingSerializer(InputSerializer):
    """These actions take no input."""


class NoteFilter(FilterSet):
    is_pinned = FlagFilter()


class TaskFilter(FilterSet):
    client = ScopedChoiceFilter(model=Client)
    assignee = ScopedChoiceFilter(model=Membership)
    due_before = InstantFilter(field_name="due_at", lookup_expr="lt")
    due_after = InstantFilter(field_name="due_at", lookup_expr="gte")
    is_done = FlagFilter(method="done")

    def done(self, tasks: QuerySet, name: str, value: bool) -> QuerySet:
        return tasks.filter(done_at__isnull=not value)


class CareActions:
    """What is written down about one client, at the client's own address."""

    def _below(self: Any, request: Request, model: Any, serializer_class: Any, filterset_class: Any = None) -> Response:
        """A page of the rows of this client, newest first."""
        client = self.get_object()
        return Response(page_of(request, model.objects.filter(client_id=client.pk), serializer_class, filterset_class=filterset_class))

    def _added(self: Any, row: Any, serializer_class: Any) -> Response:
        found = type(row).objects.filter(pk=row.pk)
        return Response(reading.represent(serializer_class, found)[0], status=status.HTTP_201_CREATED)

    @paged(NoteSerializer, filterset_class=NoteFilter)
    @action(detail=True, filterset_class=NoteFilter)
    def notes(self: Any, request: Request, pk: str) -> Response:
        """Notes about the client, newest first (pages by `cursor`); `?is_pinned=true` for those to show on top."""
        return self._below(request, ClientNote, NoteSerializer, NoteFilter)

    @extend_schema(request=NoteInput, responses={201: NoteSerializer})
    @notes.mapping.post
    def add_note(self: Any, request: Request, pk: str) -> Response:
        """Write a note about the client."""
        client = self.get_object()
        note = add_note(client=client, author=self.membership, **self.validated(NoteInput, request))
        return self._added(note, NoteSerializer)

    @paged(TaskSerializer)
    @action(detail=True, filterset_class=None)
    def tasks(self: Any, request: Request, pk: str) -> Response:
        """What there is to do for the client, done or not, newest first (pages by `cursor`); client-tasks/ has filters."""
        return self._below(request, ClientTask, TaskSerializer)

    @extend_schema(request=TaskInput, responses={201: TaskSerializer})
    @tasks.mapping.post
    def add_task(self: Any, request: Request, pk: str) -> Response:
        """Give somebody something to do for the client; without `assignee` it is everybody's."""
        client = self.get_object()
        task = add_task(client=client, author=self.membership, **self.validated(TaskInput, request))
        return self._added(task, TaskSerializer)

    @paged(ConsentSerializer)
    @action(detail=True, filterset_class=None)
    def consents(self: Any, request: Request, pk: str) -> Response:
        """What the client agreed to and withdrew, the last entry first (pages by `cursor`). Entries are never changed."""
        return self._below(request, ClientConsent, ConsentSerializer)

    @extend_schema(request=ConsentInput, responses={201: ConsentSerializer})
    @consents.mapping.post
    def add_consent(self: Any, request: Request, pk: str) -> Response:
        """Record what the client said. The statement with the latest `given_at` of a purpose is the one that counts."""
        client = self.get_object()
        consent = record_consent(client=client, **self.validated(ConsentInput, request))
        return self._added(consent, ConsentSerializer)


class NoteViewSet(RetrieveMixin, OwnClientsViewSet):
    """One note."""

    model = ClientNote
    serializer_class = NoteSerializer

    def _mine(self) -> ClientNote:
        """The note, for its author and for managers. Raises NotAllowed for others."""
        note: ClientNote = self.get_object()
        if note.author_id != self.membership.pk and self.membership.role not in MANAGERS:
            raise NotAllowed("Only its author and managers may change a note.")
        return note

    @extend_schema(request=NoteChange, responses=NoteSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change or pin a note: its author and managers may."""
        note = change_note(self._mine(), **self.validated(NoteChange, request))
        return Response(self.represent(note.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a note for good: its author and managers may."""
        delete_note(self._mine())
        return Response(status=status.HTTP_204_NO_CONTENT)


class TaskViewSet(ListMixin, RetrieveMixin, OwnClientsViewSet):
    """What there is to do, for all clients."""

    model = ClientTask
    serializer_class = TaskSerializer
    filterset_class = TaskFilter
    orderings: ClassVar[dict[str, str]] = {}
    default_ordering = "-id"

    @extend_schema(request=TaskChange, responses=TaskSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is to be done, until when, or by whom. Another time or person: they are told again."""
        task = change_task(self.get_object(), **self.validated(TaskChange, request))
        return Response(self.represent(task.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a task for good."""
        delete_task(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=NothingSerializer, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def done(self, request: Request, pk: str) -> Response:
        """It is done; 409 `already_done`."""
        self.validated(NothingSerializer, request)
        task = finish_task(self.get_object(), by=self.membership)
        return Response(self.represent(task.pk))

    @extend_schema(request=NothingSerializer, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """It is not done after all. Repeating it changes nothing."""
        self.validated(NothingSerializer, request)
        task = reopen_task(self.get_object())
        return Response(self.represent(task.pk))
