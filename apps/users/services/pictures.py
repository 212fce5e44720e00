"""The picture of a person: private, like every file that people send us."""

from functools import partial

from django.db import transaction

from apps.core import storage
from apps.core.db import joined
from apps.core.uploads import portrait
from apps.users.models import Customer

FOLDER = "people"
CONTENT_TYPE = "image/webp"


@joined
def set_picture(customer: Customer, *, content: bytes) -> Customer:
    """Keep a picture in the place of the one before. Raises FileTooLarge, FileTypeRefused, FileNotScanned, StorageUnavailable."""
    key = storage.new_key(FOLDER)
    storage.write(key, portrait(content))
    return _replace(customer, key)


@joined
def remove_picture(customer: Customer) -> Customer:
    """Take the picture away; without one nothing happens."""
    return _replace(customer, "")


def _replace(customer: Customer, key: str) -> Customer:
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if not customer.image and not key:
        return customer
    forget_picture(customer)
    customer.image.name = key
    customer.save(update_fields=["image", "updated_at"])
    return customer


def forget_picture(customer: Customer) -> None:
    """Delete the file of a row that the caller saves, after commit: ours by a job, one that was imported in the storage where it lies."""
    key = picture_key(customer)
    if key is not None:
        storage.remove_later([key])
    elif name := customer.image.name:
        transaction.on_commit(partial(customer.image.storage.delete, name), robust=True)
    customer.image.name = ""


def picture_key(customer: Customer) -> str | None:
    """Where the picture lies, None without one of ours."""
    name = customer.image.name or ""
    return name if name.startswith(f"{FOLDER}/") else None
