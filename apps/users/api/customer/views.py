from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.doors import ResourceMixin
from apps.core.api.files import download
from apps.core.api.multipart import AnyAnswer, FormParser
from apps.core.errors import NotFound
from apps.users.api.customer.serializers import AddressSerializer, PictureInput, ProfileSerializer
from apps.users.api.doors import CustomerDoor
from apps.users.models import Address, Customer
from apps.users.services.pictures import CONTENT_TYPE, picture_key, remove_picture, set_picture


class ProfileView(CustomerDoor):
    """The caller's own profile."""

    model = Customer
    serializer_class = ProfileSerializer

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.request.user.pk)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.represent(self.customer.pk))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(self.customer, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(self.represent(self.customer.pk))


class PictureView(CustomerDoor):
    """The caller's own picture. Nobody else reads it here."""

    model = Customer
    serializer_class = ProfileSerializer
    parser_classes = (FormParser,)
    content_negotiation_class = AnyAnswer

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.request.user.pk)

    @extend_schema(
        responses={
            (200, "image/webp"): OpenApiResponse(OpenApiTypes.BINARY, description="The picture, as an attachment."),
            302: OpenApiResponse(description="With S3: `Location` serves the file for five minutes. Do not send the token there."),
        }
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The picture itself; 404 without one, 409 `file_missing` when the storage has lost it."""
        key = picture_key(self.customer)
        if key is None:
            raise NotFound
        return download(key, name="picture.webp", content_type=CONTENT_TYPE)

    @extend_schema(request=PictureInput, responses={201: ProfileSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Set the picture, in the place of the one before.

        400 `file_type_refused`, 413 `file_too_large` or `payload_too_large`, 503 `file_not_scanned` or `storage_unavailable`.
        """
        set_picture(self.customer, content=self.validated(PictureInput, request)["file"].read())
        return Response(self.represent(self.customer.pk), status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove the picture; without one nothing happens."""
        remove_picture(self.customer)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AddressViewSet(ResourceMixin, CustomerDoor):
    """The caller's own addresses."""

    model = Address
    serializer_class = AddressSerializer
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at"}

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.request.user.pk)

    def perform_create(self, serializer: Any) -> models.Model:
        return serializer.save(user=self.request.user)
