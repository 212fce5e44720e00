"""my-sites/, my-site/ and what is offered to me."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.clients.api.doors import ClientDoor, ClientFilterSet
from apps.core.api import reading
from apps.core.api.doors import ListMixin
from apps.core.errors import NotFound
from apps.sites.api.addressing import uuid_in
from apps.sites.api.customer.serializers import NothingToSay, OwnSiteSerializer, OwnSitesSerializer, OwnTransferSerializer
from apps.sites.errors import NoSite
from apps.sites.models import SiteOwnership, SiteTransfer
from apps.sites.services import accept_transfer, decline_transfer, set_primary_site


class OwnSiteViewSet(ClientDoor):
    """The sites that you own, at every business you are a client of; `?account=` narrows to one."""

    model = SiteOwnership
    serializer_class = OwnSiteSerializer

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.live()  # type: ignore[attr-defined]

    @extend_schema(responses=OwnSitesSerializer)
    def mine(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All of them: primary sites first, then as you acquired them."""
        sites = reading.represent(OwnSiteSerializer, self.get_queryset().order_by("-is_primary", "acquired_at", "pk"))
        return Response({"sites": sites, "total": len(sites), "has_multiple_sites": len(sites) > 1})

    @extend_schema(responses=OwnSiteSerializer)
    def primary(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Your primary site; with sites at several businesses, of their primary ones the one you acquired first. 404 `no_site`."""
        found = self.get_queryset().filter(is_primary=True).order_by("acquired_at", "pk")[:1]
        shown = reading.represent(OwnSiteSerializer, found)
        if not shown:
            raise NoSite
        return Response(shown[0])

    @extend_schema(request=NothingToSay, responses=OwnSiteSerializer)
    def set_primary(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make this site your primary one at its business; the one before it no longer is."""
        ownership = self.get_queryset().select_related("site").filter(site__site_id=uuid_in(self.kwargs["pk"])).first()
        if ownership is None:
            raise NotFound
        self.validated(NothingToSay, request)
        with self.inside(ownership):
            set_primary_site(ownership.site, customer=self.customer)
        return Response(self.represent(ownership.pk))


class OwnTransferFilter(ClientFilterSet):
    status = filters.ChoiceFilter(choices=SiteTransfer.Status.choices)

    class Meta:
        model = SiteTransfer
        fields: ClassVar[list[str]] = []


class OwnTransferViewSet(ListMixin, ClientDoor):
    """Sites that businesses have offered to you, the open offers and those of before."""

    model = SiteTransfer
    serializer_class = OwnTransferSerializer
    filterset_class = OwnTransferFilter

    @extend_schema(request=NothingToSay, responses=OwnSiteSerializer)
    def accept(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take over a site that is offered to you; from now on it is yours. 409 `invalid_transition` when the offer is no longer open."""
        transfer = self._offer()
        self.validated(NothingToSay, request)
        with self.inside(transfer):
            ownership = accept_transfer(transfer)
        mine = SiteOwnership.objects.filter(pk=ownership.pk, client_id__in=self.client_ids)
        return Response(reading.represent(OwnSiteSerializer, mine)[0])

    @extend_schema(request=NothingToSay, responses=OwnTransferSerializer)
    def decline(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say no to a site that is offered to you. 409 `invalid_transition` when the offer is no longer open."""
        transfer = self._offer()
        self.validated(NothingToSay, request)
        with self.inside(transfer):
            decline_transfer(transfer)
        return Response(self.represent(transfer.pk))

    def _offer(self) -> SiteTransfer:
        """The latest offer of this site to the caller."""
        mine = self.get_queryset().select_related("site").filter(site__site_id=uuid_in(self.kwargs["pk"]))
        found: SiteTransfer | None = mine.order_by("-created_at", "-pk").first()
        if found is None:
            raise NotFound
        return found
