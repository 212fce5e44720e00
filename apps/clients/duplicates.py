"""Who may be the same person: found when a client is entered or imported, and on request."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField, Value

from apps.clients.models import Client

MAX_FOUND = 10
TAGGED = re.compile(r"\+[^@]*(?=@)")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A client who may be the same person, and ``why``: same_email, same_phone, same_name."""

    client_id: int
    full_name: str
    why: tuple[str, ...]


class Folded(Func):
    """The database's own spelling of names: small, without accents, one blank between words (migration 0004)."""

    function = "clients_folded"
    output_field = TextField()


def possible_duplicates(client: Client, *, among: QuerySet) -> list[Duplicate]:
    """Other clients, of those who may be shown, with the same phone number, the same mailbox (what follows a + is not part of it), or the same name.

    Of people with one name, those whose e-mail and phone number both differ are not meant.
    """
    others = among.exclude(pk=client.pk)
    found: dict[int, list[str]] = {}
    people: dict[int, str] = {}
    for why, same in _same(client):
        for pk, name in others.filter(same).order_by("pk").values_list("pk", "full_name")[:MAX_FOUND]:
            found.setdefault(pk, []).append(why)
            people[pk] = name
    ranked = sorted(found, key=lambda pk: (-len(found[pk]), pk))
    return [Duplicate(pk, people[pk], tuple(found[pk])) for pk in ranked[:MAX_FOUND]]


def _same(client: Client) -> Iterable[tuple[str, Q]]:
    if client.email:
        email = email_key(client.email)
        yield "same_email", Q(email_key__in=sorted({email, mailbox(email)}))
    if client.phone_number:
        yield "same_phone", Q(phone_number=client.phone_number)
    if client.full_name:
        contradicts = Q(pk__in=[])
        if client.email and client.phone_number:
            contradicts = ~Q(email="") & ~Q(phone_number="") & ~Q(email__iexact=client.email) & ~Q(phone_number=client.phone_number)
        named = _named(client.full_name)
        yield "same_name", Q(pk__in=named.exclude(contradicts).values("pk"))


def mailbox(email: str) -> str:
    """The address without what follows a +."""
    return TAGGED.sub("", email)


def email_key(email: str) -> str:
    """An address in the spelling that ``Client.email_key`` keeps."""
    return unicodedata.normalize("NFKC", email).lower()


def _named(full_name: str) -> QuerySet:
    """What search compares begins with the folded name, which an index holds; then the name itself must be the same."""
    begins = Func(F("search_text"), Folded(Value(full_name)), function="starts_with", output_field=BooleanField())
    named = Client.objects.current().alias(begins=begins, folded=Folded(F("full_name")))
    return named.filter(begins=True, folded=Folded(Value(full_name)))
