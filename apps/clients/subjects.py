"""What the clients' own app, and the log, keep about a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import CharField, F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat, Replace

from apps.clients.models import (
    BlockedContact,
    Client,
    ClientConsent,
    ClientImport,
    ClientImportRow,
    ClientMerge,
    ClientNote,
    ClientTask,
    Erasure,
    GuestAccess,
    SubjectExport,
)
from apps.core.models import Event, IdempotencyKey
from apps.core.subjects import ERASED, Done, Subject, drop_files, dropped, erased_by, history_of, kept, obstructs, told, told_by

BATCH = 500
NAMELESS = "Erased client "
FOR_STAFF = ("blocked_reason", "legal_hold_reason")
"""Columns of the record in which staff write to each other; the client is not told."""
STAFF_WORDS = (*FOR_STAFF, "override_reason")
"""Where they do so in the log."""
OF_RECORD = "clients."
"""Events about the record itself: every text in them is the person's."""


def on_hold(subject: Subject) -> list[int]:
    """Records that the law, or a lawyer, wants untouched. Merged ones gave their hold to the one that is left, where it can be lifted."""
    current = Client.objects.current().filter(pk__in=subject.ids)
    held = current.filter(Q(legal_hold_until=None) | Q(legal_hold_until__gte=subject.at.date()))
    return list(held.exclude(legal_hold_reason="").values_list("pk", flat=True))


def pseudonymise(subject: Subject, done: Done) -> None:
    """The record stays for what refers to it, under a name that says nothing; its past goes."""
    nameless = Concat(Value(NAMELESS), Cast(F("pk"), CharField()))
    clients = Client.objects.filter(pk__in=subject.ids).exclude(full_name=nameless, email="", phone_number="", customer=None)
    done.add(
        done.blanked,
        Client._meta.db_table,
        clients.update(
            full_name=nameless,
            email="",
            phone_number="",
            stage=Client.Stage.ARCHIVED,
            source="",
            owner=None,
            tags=[],
            custom_fields={},
            consents={},
            tax_id="",
            billing_address="",
            blocked_at=None,
            blocked_reason="",
            blocked_by=None,
            legal_hold_reason="",
            customer=None,
            updated_at=subject.at,
        ),
    )
    history_of(Client)._base_manager.filter(account_id=subject.account_id, id__in=subject.ids).delete()


def forget_imports(subject: Subject, done: Done) -> None:
    """What files said of the person: in rows that made or changed the record, and in rows that were refused."""
    rows = ClientImportRow.objects.annotate(text=Cast("raw", TextField()))
    mine = rows.filter(Q(client__in=subject.ids) | _says(subject, "text")).exclude(raw=[], changes={}, duplicates=[])
    ids = list(mine.values_list("pk", flat=True))
    ClientImportRow.objects.filter(pk__in=ids).update(raw=[], changes={}, duplicates=[])
    done.add(done.blanked, ClientImportRow._meta.db_table, len(ids))
    if subject.tell_tale:
        samples = ClientImport.objects.annotate(text=Cast("sample", TextField())).filter(_says(subject, "text"))
        done.add(
            done.blanked, ClientImport._meta.db_table, ClientImport.objects.filter(pk__in=list(samples.values("pk"))).update(sample=[])
        )


def forget_merges(subject: Subject, done: Done) -> None:
    """Which values the two records had; that they were merged, stays."""
    mine = ClientMerge.objects.filter(Q(winner__in=subject.ids) | Q(loser__in=subject.ids)).exclude(fields={})
    done.add(done.blanked, ClientMerge._meta.db_table, mine.update(fields={}))
    past = history_of(ClientMerge)
    if past is not None:
        past._base_manager.filter(Q(winner__in=subject.ids) | Q(loser__in=subject.ids), account_id=subject.account_id).update(fields={})


def unblock_contacts(subject: Subject, done: Done) -> None:
    """Addresses and numbers of theirs that were blocked by themselves."""
    listed = BlockedContact.objects.filter(Q(email__in=subject.words) | ~Q(phone_number="") & Q(phone_number__in=subject.words))
    done.add(done.dropped, BlockedContact._meta.db_table, listed.delete()[0])


def drop_archives(subject: Subject, done: Done) -> None:
    """Copies of their data that were made on request."""
    archives = SubjectExport.objects.filter(client__in=subject.ids)
    drop_files(archives)
    done.add(done.dropped, SubjectExport._meta.db_table, archives.delete()[0])


def clean_log(subject: Subject, done: Done) -> None:
    """The log keeps what happened and when; the words in it go: all of events about the record, the person's own in all others."""
    last = 0
    while batch := list(_about(subject).filter(pk__gt=last).order_by("pk")[:BATCH]):
        changed = []
        for event in batch:
            last = event.pk
            cleaned = _cleaned(event.changes, () if event.subject_type.startswith(OF_RECORD) else subject.pieces)
            if cleaned != event.changes:
                event.changes = cleaned
                changed.append(event)
        Event.objects.bulk_update(changed, ["changes"])
        done.add(done.blanked, Event._meta.db_table, len(changed))


def _about(subject: Subject) -> QuerySet:
    return Event.objects.filter(client_id__in=subject.ids).exclude(changes={})


def _cleaned(value: Any, words: tuple[str, ...]) -> Any:
    """Texts with one of the words in them are blanked; without words every text is, but for names of states and times."""
    if isinstance(value, Mapping):
        return {key: _cleaned(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, words) for one in value]
    if not isinstance(value, str) or not value or value == ERASED:
        return value
    if not words:
        return ERASED
    lower = value.casefold()
    return ERASED if any(word.casefold() in lower for word in words) else value


def forget_replies(subject: Subject, done: Done) -> None:
    """Replies that are kept for repeated requests go on being repeated, without the person's words."""
    for word in subject.tell_tale:
        said = IdempotencyKey.objects.filter(response__contains=word)
        done.add(done.blanked, IdempotencyKey._meta.db_table, said.update(response=Replace(F("response"), Value(word), Value(ERASED))))


def _says(subject: Subject, column: str) -> Q:
    says = Q(pk=None)
    for word in subject.tell_tale:
        says |= Q(**{f"{column}__icontains": word})
    return says


def record(subject: Subject) -> list[Mapping[str, Any]]:
    """The record itself, and those that were merged into it."""
    left = {"account_id", "search_text", "email_key", *FOR_STAFF}
    return [{k: v for k, v in row.items() if k not in left} for row in Client.objects.filter(pk__in=subject.ids).order_by("pk").values()]


def record_for_staff(subject: Subject) -> QuerySet:
    """What the record says to staff only."""
    return Client.objects.filter(pk__in=subject.ids).order_by("pk").values("id", *FOR_STAFF)


def what_happened(subject: Subject) -> Iterator[Mapping[str, Any]]:
    """The timeline, without the words that staff wrote for each other."""
    columns = ("id", "created_at", "type", "subject_type", "subject_id", "source", "changes")
    events = Event.objects.filter(client_id__in=subject.ids).order_by("pk").values(*columns)
    for event in events.iterator(chunk_size=BATCH):
        yield {**event, "changes": {name: change for name, change in event["changes"].items() if name not in STAFF_WORDS}}


obstructs("legal_hold", on_hold)
dropped(ClientNote, "client")
dropped(ClientTask, "client")
dropped(ClientConsent, "client")
dropped(GuestAccess, "client")
erased_by(forget_imports, (ClientImportRow, "client"))
erased_by(forget_merges, (ClientMerge, "winner"), (ClientMerge, "loser"))
erased_by(unblock_contacts)
erased_by(drop_archives, (SubjectExport, "client"))
erased_by(forget_replies)
erased_by(clean_log)
erased_by(pseudonymise, (Client, "merged_into"))
kept(Erasure, "client", because="the certificate of an erasure names nobody")

told_by("client", record)
told_by("client_for_staff", record_for_staff, in_house=True)
told("consents", ClientConsent, "client")
told("notes", ClientNote, "client", in_house=True)
told("tasks", ClientTask, "client", in_house=True)
told_by("timeline", what_happened)
