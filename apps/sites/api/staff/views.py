"""sites/ and their owners, for the business."""

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.api.own import KnowsOwnClients, OwnClientsViewSet
from apps.core.api.doors import CreateMixin, ListMixin, UpdateMixin
from apps.core.api.listing import FilterSet, FlagFilter
from apps.core.errors import NotFound
from apps.sites.api.addressing import id_in, uuid_in
from apps.sites.api.staff.serializers import (
    NothingToSay,
    SiteOwnerInput,
    SiteOwnerSerializer,
    SiteSerializer,
    SiteTransferInput,
    SiteTransferSerializer,
)
from apps.sites.models import Site, SiteOwnership, SiteTransfer
from apps.sites.services import (
    add_site_to_customer,
    cancel_transfer,
    create_site,
    offer_transfer,
    remove_site_from_customer,
    set_primary_site,
    update_site,
)
from apps.sites.services.transfers import open_offer
from apps.users.models import Customer


class SiteFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Site.Status.choices)
    subscription_status = filters.ChoiceFilter(choices=Site.Subscription.choices)
    is_owned = FlagFilter(method="filter_owned", help_text="Whether it belongs to somebody now.")

    class Meta:
        model = Site
        fields: ClassVar[list[str]] = []

    def filter_owned(self, queryset: QuerySet, name: str, value: bool) -> QuerySet:
        owned = SiteOwnership.objects.current().values("site_id")
        return queryset.filter(pk__in=owned) if value else queryset.exclude(pk__in=owned)


class SiteViewSet(ListMixin, CreateMixin, UpdateMixin, KnowsOwnClients):
    """Websites that you make and keep. They are named by their `site_id`; one that was sold or owned is archived, never deleted."""

    model = Site
    serializer_class = SiteSerializer
    filterset_class = SiteFilter
    orderings: ClassVar = {**StaffViewSet.orderings, "site_title": "site_title"}
    search_fields = ("site_title", "slug", "site_url")
    http_method_names: ClassVar = ["get", "post", "patch", "delete", "head", "options"]

    def get_object(self) -> Site:
        found: Site | None = self.get_queryset().filter(site_id=uuid_in(self.kwargs["pk"])).first()
        if found is None:
            raise NotFound
        return found

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.represent(self.get_object().pk))

    def perform_create(self, serializer: serializers.ModelSerializer) -> Site:
        return create_site(account_id=self.account.pk, **serializer.validated_data)

    def perform_update(self, serializer: serializers.ModelSerializer) -> None:
        """Change fields. `status: archived` takes the site out of use; where it was somebody's primary one, their next takes its place."""
        update_site(cast(Site, serializer.instance), **serializer.validated_data)

    @extend_schema(responses=SiteTransferSerializer)
    @action(detail=True, methods=["get"], url_path="transfer")
    def show_transfer(self, request: Request, pk: str) -> Response:
        """The open offer of this site to a new owner; 404 when there is none."""
        transfer = open_offer(self.get_object())
        named = {transfer.from_client_id, transfer.client_id}
        if self.sees_own_clients_only and self.clients_in_sight().filter(pk__in=named).count() < len(named):
            raise NotFound
        return self._shown(transfer)

    @extend_schema(request=SiteTransferInput, responses={201: SiteTransferSerializer})
    @show_transfer.mapping.post
    def transfer(self, request: Request, pk: str) -> Response:
        """Offer the site to another customer. It changes hands when they accept, within 14 days, at `my-sites/<site_id>/accept/`.

        Where the site has several owners, `from_customer` says whose ownership is given up.
        409 `duplicate_ownership`, `invalid_transition` while it is offered to somebody already.
        """
        site, data = self.get_object(), self.validated(SiteTransferInput, request)
        return self._shown(offer_transfer(site, **data), status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    @show_transfer.mapping.delete
    def cancel_transfer(self, request: Request, pk: str) -> Response:
        """Take the open offer back; 404 when there is none."""
        cancel_transfer(open_offer(self.get_object()))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, transfer: SiteTransfer, code: int = status.HTTP_200_OK) -> Response:
        found = SiteTransferSerializer().to_representation(transfer)
        return Response(found, status=code)


class OwnerFilter(FilterSet):
    is_current = FlagFilter(field_name="ended_at", lookup_expr="isnull", help_text="`true`: who owns it now. `false`: who did.")
    role = filters.ChoiceFilter(choices=SiteOwnership.Role.choices)

    class Meta:
        model = SiteOwnership
        fields: ClassVar[list[str]] = []


class SiteOwnerViewSet(ListMixin, OwnClientsViewSet):
    """Who owns a site, now and before; `<customer>` in addresses is the `customer` of an owner."""

    model = SiteOwnership
    serializer_class = SiteOwnerSerializer
    filterset_class = OwnerFilter
    orderings: ClassVar = {**StaffViewSet.orderings, "acquired_at": "acquired_at"}
    default_ordering = "acquired_at"

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(site=self._site())

    @extend_schema(request=SiteOwnerInput, responses={201: SiteOwnerSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give the site to a customer who is a client of yours. Their first site becomes their primary one. 409 `duplicate_ownership`."""
        site, data = self._site(), self.validated(SiteOwnerInput, request)
        return self._shown(add_site_to_customer(site, **data), status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End the ownership: from now on the customer sees nothing of the site. Their earliest other site becomes the primary one."""
        remove_site_from_customer(self._site(), customer=self._owner())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=NothingToSay, responses=SiteOwnerSerializer)
    def set_primary(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make this site the customer's primary one at your business; the one before it no longer is."""
        site, customer = self._site(), self._owner()
        self.validated(NothingToSay, request)
        return self._shown(set_primary_site(site, customer=customer))

    def _site(self) -> Site:
        found = Site.objects.filter(site_id=uuid_in(self.kwargs["pk"])).first()
        if found is None:
            raise NotFound
        return found

    def _owner(self) -> Customer:
        """The customer of the address, if they own the site."""
        wanted = SiteOwnership.objects.current().filter(site=self._site(), customer_id=id_in(self.kwargs["customer"]))
        found = wanted.select_related("customer__user").first()
        if found is None or found.customer is None:
            raise NotFound
        return found.customer

    def _shown(self, ownership: SiteOwnership, code: int = status.HTTP_200_OK) -> Response:
        return Response(SiteOwnerSerializer().to_representation(ownership), status=code)
