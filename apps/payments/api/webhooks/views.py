"""The door of payment providers: nobody is signed in, the signature on the raw body is the proof.

Not a view of REST framework: nothing may touch the body before it is verified, and nothing is answered but whether it was received.
"""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.models import Account
from apps.core.api.errors import error_response
from apps.core.errors import DomainError, NotFound
from apps.payments.errors import ProviderOff
from apps.payments.models import Provider
from apps.payments.services.inbox import receive_event


class MethodNotAllowed(DomainError):
    """Events are sent, and there is nothing to read."""

    code = "method_not_allowed"
    status = 405
    default_message = "Only POST is possible here."


@csrf_exempt  # a provider has no cookie to forge: its signature is what counts
@transaction.non_atomic_requests
def receive(request: HttpRequest, provider: str, slug: str) -> HttpResponse:
    """POST /api/webhooks/<provider>/<account slug>/: 202 when the event is kept, 200 when it had been already.

    400 `signature_invalid`, 404 for an account that does not exist or has not set up the provider, 503 when it cannot be verified now.
    """
    if request.method != "POST":
        refused = error_response(request, MethodNotAllowed())
        refused.headers["Allow"] = "POST"
        return refused
    try:
        account = Account._base_manager.filter(slug=slug, status=Account.Status.ACTIVE).only("id").first()
        if account is None or provider not in Provider.values:
            raise NotFound
        _, is_new = receive_event(account.pk, provider, headers=request.headers, body=request.body)
    except ProviderOff:
        return error_response(request, NotFound())
    except DomainError as refusal:
        return error_response(request, refusal)
    return JsonResponse({"received": True} if is_new else {"received": True, "duplicate": True}, status=202 if is_new else 200)
