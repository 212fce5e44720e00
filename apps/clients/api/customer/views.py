"""The rights of a person at their own door: an archive of everything, and the end of it."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.clients.api.staff.subjects import ARCHIVE_FIELDS, FILE, CertificateField
from apps.clients.services.archives import take_archive
from apps.clients.services.people import ask_for_own_archive, erase_person
from apps.core.api.doors import ListMixin
from apps.core.api.files import download
from apps.core.api.limits import Allowance
from apps.core.api.multipart import AnyAnswer
from apps.core.api.reading import InputSerializer, NothingToSay, ResourceSerializer
from apps.core.errors import Invalid
from apps.users.api.doors import CustomerDoor
from apps.users.models import PersonExport

HOUR = 3600
ARCHIVES = Allowance("own-archives", 3)
TRIES = Allowance("own-erasure", 5)
"""Per person and hour: each one is a try of a password."""


class PersonExportSerializer(ResourceSerializer):
    """An archive (ZIP of JSON lists and files) of everything about you, with a folder for each business. `ready` ones can be fetched once,
    within a week."""

    class Meta:
        model = PersonExport
        fields: ClassVar = list(ARCHIVE_FIELDS)
        read_only_fields = fields


class OwnExportViewSet(ListMixin, CustomerDoor):
    """Archives that you have asked for."""

    model = PersonExport
    serializer_class = PersonExportSerializer

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.request.user.pk)

    @extend_schema(request=NothingToSay, responses={202: PersonExportSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have an archive made of everything that is kept about you, at all businesses. Read the list until it is `ready`.

        429 `rate_limited` beyond three an hour.
        """
        self.validated(NothingToSay, request)
        ARCHIVES.take(f"user {request.user.pk}", seconds=HOUR)
        export = ask_for_own_archive(self.customer.user)
        return Response(self.represent(export.pk), status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=NothingToSay, responses=FILE)
    @action(detail=True, methods=["post"], content_negotiation_class=AnyAnswer)
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """The archive, once. 409 `export_gone` when it is not ready, was fetched, or its week is over."""
        export = self.get_object()
        self.validated(NothingToSay, request)
        return download(take_archive(export), name="my-data.zip", content_type="application/zip")


class EraseInput(InputSerializer):
    """That you mean it."""

    confirm = serializers.ChoiceField(choices=["erase"], help_text="The word `erase`.")
    password = serializers.CharField(
        required=False, max_length=1000, trim_whitespace=False, help_text="Your password; only a login that has none goes without."
    )


class OwnErasureSerializer(serializers.Serializer):
    """What became of what at one business."""

    account = serializers.CharField(help_text="Its slug.")
    erased_at = serializers.DateTimeField()
    kept_until = serializers.DateField()
    certificate = CertificateField()


class OwnErasuresSerializer(serializers.Serializer):
    """The certificates; keep them, nobody can ask for them again."""

    erasures = OwnErasureSerializer(many=True)


class OwnErasureView(CustomerDoor):
    """The end of your login, and of what businesses keep about you."""

    model = PersonExport

    @extend_schema(request=EraseInput, responses=OwnErasuresSerializer)
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Erase yourself at all businesses, and your login with all its tokens. There is no way back.

        409 `erasure_refused` with `reasons` (`code`, `account`, `ids`) while a session lies ahead, money is not settled, you own credit,
        you work for a business, or a legal hold exists; then nothing is erased. 400 for a wrong password.
        """
        data = self.validated(EraseInput, request)
        TRIES.take(f"user {request.user.pk}", seconds=HOUR)
        user = self.customer.user
        if user.has_usable_password() and not user.check_password(data.get("password", "")):
            raise Invalid(fields={"password": ["This is not your password."]})
        erasures = erase_person(user)
        told = [
            {"account": one.client.account.slug, "erased_at": one.erased_at, "kept_until": one.kept_until, "certificate": one.certificate}
            for one in erasures
        ]
        return Response({"erasures": told})
