from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.doors import ResourceMixin
from apps.users.api.customer.serializers import AddressSerializer, ProfileSerializer
from apps.users.api.doors import CustomerDoor
from apps.users.models import Address, Customer


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


class AddressViewSet(ResourceMixin, CustomerDoor):
    """The caller's own addresses."""

    model = Address
    serializer_class = AddressSerializer
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at"}

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.request.user.pk)

    def perform_create(self, serializer: Any) -> models.Model:
        return serializer.save(user=self.request.user)
