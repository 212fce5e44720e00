"""Entering, changing and deleting clients."""

from typing import Any

from django.db import transaction

from apps.clients.custom import checked, declared_fields
from apps.clients.models import Client, Erasure
from apps.core.errors import Invalid
from apps.core.events import emit


@transaction.atomic
def create_client(*, account_id: int, is_complete: bool = False, **fields: Any) -> Client:
    """A new client; emits ``client.created``. ``is_complete``: custom fields that the account requires must have values.

    Raises Invalid for custom fields that are not of their kind, and IntegrityError when the e-mail or the customer is one already.
    """
    if is_complete or fields.get("custom_fields"):
        fields["custom_fields"] = checked(fields.get("custom_fields") or {}, declared_fields(), complete=is_complete)
    client = Client.objects.create(account_id=account_id, **fields)
    emit("client.created", client)
    return client


@transaction.atomic
def update_client(client: Client, **fields: Any) -> Client:
    """Change fields; emits ``client.updated`` with what really changed, and nothing when nothing did.

    Raises Invalid for custom fields that are not of their kind, and for somebody who was erased: nobody would erase what is written then.
    """
    if fields.get("custom_fields"):
        fields["custom_fields"] = checked(fields["custom_fields"], declared_fields())
    client = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    changes = {}
    for name, value in fields.items():
        before = _plain(getattr(client, name))
        setattr(client, name, value)
        after = _plain(getattr(client, name))
        if before != after:
            changes[name] = [before, after]
    if changes:
        if client.stage == Client.Stage.ARCHIVED or "stage" in changes:
            _refuse_erased(client)
        client.save(update_fields=[*changes, "updated_at"])
        emit("client.updated", client, changes=changes)
    return client


def _refuse_erased(client: Client) -> None:
    if Erasure.objects.filter(client=client, state=Erasure.State.DONE).exists():
        raise Invalid("This client was erased.")


@transaction.atomic
def delete_client(client: Client) -> None:
    """Remove a client without records; emits ``client.deleted``. Raises RestrictedError for one with orders or bookings."""
    emit("client.deleted", client)
    client.delete()


def _plain(value: Any) -> Any:
    """A JSON value for an event: related rows by id, phone numbers as text."""
    if value is None or isinstance(value, str | int | bool | list | dict):
        return value
    return getattr(value, "pk", None) or str(value)
