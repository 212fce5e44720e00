from typing import Any, ClassVar

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.api.filters import OfClientFilter
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, MomentFilter, ScopedChoiceFilter
from apps.core.api.multipart import AnyAnswer
from apps.core.api.reading import InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import Order
from apps.payments.api.documents import pdf_response
from apps.payments.models import CreditNote, Invoice
from apps.payments.services.invoices import issue_invoice

PDF_ANSWER = {
    (200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="The document, A4, as PDF/A-3b."),
    304: OpenApiResponse(description="With `If-None-Match`: the copy you have is the document. It never changes."),
}


class InvoiceSerializer(ResourceSerializer):
    """An invoice or credit note. Nothing of it ever changes.

    ``document`` is everything that is printed: ``seller``, ``buyer``, dates as local days, ``lines`` and ``taxes`` per rate in cents,
    ``paid_cents`` and ``balance_cents`` as they were at the issue, and the ``labels`` in the document's ``language``. Amounts of a
    credit note are negative; ``corrects`` is the invoice it corrects.
    """

    order_number = serializers.CharField(source="order.number", read_only=True)
    client_name = serializers.CharField(source="client.full_name", read_only=True)
    corrects_number = serializers.CharField(source="corrects.number", read_only=True, allow_null=True)

    class Meta:
        model = Invoice
        fields: ClassVar = [
            "id",
            "kind",
            "number",
            "order",
            "order_number",
            "client",
            "client_name",
            "corrects",
            "corrects_number",
            "issued_at",
            "net_cents",
            "tax_cents",
            "total_cents",
            "currency",
            "document",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class IssueInput(InputSerializer):
    """The order whose open lines are to be on a document."""

    order = ScopedRelatedField(model=Order)


class DocumentFilter(FilterSet):
    order = ScopedChoiceFilter(model=Order)
    client = OfClientFilter()

    class Meta:
        model = Invoice
        fields: ClassVar[list[str]] = []


# ``from`` is a word of Python's; a class body cannot say it.
DocumentFilter.base_filters["from"] = MomentFilter(field_name="issued_at", lookup_expr="gte", help_text="Issued at or after this moment.")
DocumentFilter.base_filters["to"] = MomentFilter(field_name="issued_at", lookup_expr="lt", help_text="Issued before this moment.")


class Documents(ListMixin, RetrieveMixin, StaffViewSet):
    """What invoices and credit notes have in common."""

    serializer_class = InvoiceSerializer
    filterset_class = DocumentFilter
    orderings: ClassVar = {**StaffViewSet.orderings, "issued_at": "issued_at"}
    search_fields = ("number", "order__number", "client__full_name", "client__email")

    @extend_schema(responses=PDF_ANSWER)
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAnswer)
    def pdf(self, request: Request, pk: str) -> HttpResponseBase:
        """The document as a PDF, made from its frozen content: the same bytes each time. Send the `ETag` back as `If-None-Match`."""
        return pdf_response(self.get_object(), request)


class InvoiceViewSet(Documents):
    """Invoices, numbered without a gap per series. They are issued by themselves as the setting `invoice_when` says, or here."""

    model = Invoice
    idempotent = frozenset({"create"})

    @classmethod
    def narrow(cls, queryset: Any) -> Any:
        return queryset.filter(kind=Invoice.Kind.INVOICE)

    @extend_schema(request=IssueInput, responses={201: InvoiceSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Issue the document that is due for an order: over all its lines that are on none yet.

        It is an invoice, or (`kind` `credit_note`) the correction of the order's last one when the price went down since. 409
        `nothing_to_invoice` when every line is on a document or what is left comes to nothing, so sending it twice issues one;
        409 `invoice_number_taken` when two series of the settings spell the same number.
        """
        document = issue_invoice(self.validated(IssueInput, request)["order"])
        shown = InvoiceSerializer().to_representation(document)
        return Response(shown, status=status.HTTP_201_CREATED)


class CreditNoteViewSet(Documents):
    """Credit notes: what corrects an invoice. They are issued by themselves when an invoiced price goes down, or by `POST invoices/`."""

    model = CreditNote


__all__ = ["CreditNoteViewSet", "InvoiceSerializer", "InvoiceViewSet"]
