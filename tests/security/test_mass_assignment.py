"""Fields that are not the caller's to set, in every body that the API takes."""

import pytest
from rest_framework import serializers

from factories.accounts import token_for
from tests.conftest import ApiClient
from tests.security.routes import call_id, calls, input_serializer
from tests.security.worlds import digest, tenant_models

WITH_BODY = [call for call in calls() if call[1] not in ("get", "delete")]
ALWAYS = {
    "account", "account_id", "actor_id", "amount_cents", "balance", "balance_cents", "captured_cents", "created_at", "currency_code",
    "customer_id", "deleted", "digest", "history", "id", "is_active", "is_primary", "is_staff", "is_superuser", "is_verified",
    "owner_id", "paid_cents", "password", "payment_status", "permissions", "pk", "price", "price_cents", "role", "status", "token",
    "total", "total_amount_cents", "updated_at", "user", "user_id", "version", "__class__", "_state", "nonsense",
}  # fmt: skip


def _forbidden(serializer: serializers.BaseSerializer, model: type) -> set[str]:
    """Every column of the model, and the usual suspects, without what this body may hold."""
    fields = serializer.child.fields if isinstance(serializer, serializers.ListSerializer) else serializer.fields
    writable = {name for name, declared in fields.items() if not declared.read_only}
    columns = {name for f in model._meta.get_fields() for name in (f.name, getattr(f, "attname", f.name))}
    return (ALWAYS | columns | {name for name, declared in fields.items() if declared.read_only}) - writable


@pytest.mark.parametrize(("route", "method", "action"), WITH_BODY, ids=call_id)
def test_fields_that_are_not_the_callers_to_set_are_refused(two_worlds, route, method, action):
    ours, theirs = two_worlds
    client = ApiClient(token_for(ours.owner))
    model = getattr(route.view, "model", None) or tenant_models()[0]
    url = route.at(ours)
    names = _forbidden(input_serializer(route, method, action), model)
    before = digest(ours.account), digest(theirs.account)

    # Each is named in the answer; and one alone is enough to be refused.
    for sent in (names, {"account_id"}):
        response = getattr(client, method)(url, dict.fromkeys(sent, theirs.account.pk), content_type=route.content_type)
        assert (response.status_code, response.json()["error"]) == (400, "unknown_field"), response.content
        assert response.json()["fields"] == {name: ["This field does not exist or cannot be written."] for name in sent}

    assert len(names) >= 20
    assert (digest(ours.account), digest(theirs.account)) == before
