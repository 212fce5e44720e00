from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.api.session.serializers import AccountSerializer
from apps.accounts.api.staff.serializers import InvitationSerializer, MemberSerializer, SettingsSerializer
from apps.accounts.models import Account, Invitation, Membership, Role
from apps.accounts.selectors import all_settings
from apps.accounts.services.accounts import change_settings, delete_account, update_account
from apps.accounts.services.invitations import invite, revoke_invitation
from apps.accounts.services.members import change_member, remove_member
from apps.core.api.doors import CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin
from apps.core.api.listing import FilterSet


class AccountView(StaffViewSet):
    """The current account."""

    model = Account
    serializer_class = AccountSerializer

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(pk=self.account.pk)

    def retrieve(self, request: Request) -> Response:
        return Response(self.represent(self.account.pk))

    def partial_update(self, request: Request) -> Response:
        serializer = self.get_serializer(self.account, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        update_account(self.account, **serializer.validated_data)
        return Response(self.represent(self.account.pk))

    def destroy(self, request: Request) -> Response:
        delete_account(account_id=self.account.pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SettingsView(StaffViewSet):
    """Settings of the current account."""

    model = Account
    serializer_class = SettingsSerializer

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(pk=self.account.pk)

    def retrieve(self, request: Request) -> Response:
        return Response(all_settings(self.account))

    def partial_update(self, request: Request) -> Response:
        values = self.validated(SettingsSerializer, request)
        return Response(all_settings(change_settings(account_id=self.account.pk, values=values)))


class MemberFilter(FilterSet):
    role = filters.ChoiceFilter(choices=Role.choices)
    is_active = filters.BooleanFilter()

    class Meta:
        model = Membership
        fields: ClassVar[list[str]] = []


class MemberViewSet(ListMixin, RetrieveMixin, UpdateMixin, DestroyMixin, StaffViewSet):
    """Who works in the account. New members come by invitation."""

    model = Membership
    serializer_class = MemberSerializer
    filterset_class = MemberFilter
    search_fields = ("user__email", "user__customer__full_name")
    http_method_names: ClassVar = ["get", "patch", "delete", "head", "options"]

    def perform_update(self, serializer: Any) -> None:
        change_member(serializer.instance, by=self.membership, **serializer.validated_data)

    def perform_destroy(self, instance: Membership) -> None:
        remove_member(instance, by=self.membership)


class InvitationViewSet(ListMixin, RetrieveMixin, CreateMixin, DestroyMixin, StaffViewSet):
    """Offers of a membership; deleting one takes it back."""

    model = Invitation
    serializer_class = InvitationSerializer
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "expires_at": "expires_at"}
    http_method_names: ClassVar = ["get", "post", "delete", "head", "options"]

    def perform_create(self, serializer: Any) -> models.Model:
        return invite(by=self.membership, **serializer.validated_data)

    def perform_destroy(self, instance: Invitation) -> None:
        revoke_invitation(instance, by=self.membership)
