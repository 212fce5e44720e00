"""The answer of a download of an invoice, the same at every door."""

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from rest_framework.request import Request

from apps.payments.documents_pdf import file_name, fingerprint
from apps.payments.models import Invoice
from apps.payments.services.invoices import document_pdf

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",  # kept by the browser, asked for each time: the ETag makes that cheap
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}


def pdf_response(invoice: Invoice, request: Request) -> HttpResponse:
    """The PDF, named after its number, or 304 when the caller has it. Call it after the door has found the row in reach."""
    etag = f'"{fingerprint(invoice.document)}"'
    unchanged = get_conditional_response(request._request, etag=etag)
    if unchanged is not None:
        response = unchanged
    else:
        response = HttpResponse(document_pdf(invoice), content_type="application/pdf")
        response["Content-Disposition"] = content_disposition_header(False, file_name(invoice.number)) or "inline"
    for name, value in {**HEADERS, "ETag": etag}.items():
        response[name] = value
    return response


__all__ = ["pdf_response"]
