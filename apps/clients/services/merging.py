"""Merging two records of one person, and taking them apart again (rules.md §13). Locks: the two clients by id, then what is moved.

The loser stays as a redirect: ``merged_into`` leads to the winner in one step, however often the winner was merged itself.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.clients.errors import MergeChanged, MergeConflict
from apps.clients.models import Client, ClientMerge, Erasure
from apps.core import merging
from apps.core.db import constraint_error, joined
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import current_actor, emit
from apps.core.merging import Merging
from apps.core.quotes import offer, uphold

KIND = "client.merge"
PLAIN = ("full_name", "email", "phone_number", "source", "owner", "tax_id", "tax_code", "billing_address")
"""Fields of which the winner's value is kept unless it has none."""
CHOOSABLE = (*PLAIN, "stage", "tags", "custom_fields", "customer")
BLOCK = ("blocked_at", "blocked_reason", "blocked_by")
HOLD = ("legal_hold_reason", "legal_hold_until")
MERGED = (*CHOOSABLE, "consents", *BLOCK, *HOLD)
"""Every field that a merge decides about."""
NOT_MERGED = ("id", "account", "created_at", "updated_at", "merged_into", "merged_ids", "email_key", "search_text")
STRAGGLERS_FOR = timedelta(hours=1)


def quote_merge(client: Client, *, other: Client, fields: Mapping[str, int] | None = None, at: datetime | None = None) -> dict[str, Any]:
    """What ``merge_clients`` would do now, with a token that holds for ten minutes. Raises Invalid."""
    at = at or timezone.now()
    choices = _checked(client, other, fields)
    result = _consequences(Merging(client, other, at), choices)
    return offer(KIND, account_id=client.account_id, inputs=_inputs(client, other, choices), result=result, at=at)


@joined
def merge_clients(
    client: Client, *, other: Client, fields: Mapping[str, int] | None = None, quote: str | None = None, at: datetime | None = None
) -> ClientMerge:
    """Make ``client`` and ``other`` one: everything of ``other`` follows to ``client``, and ``other`` becomes a redirect.

    ``fields`` says by id whose value a field takes. Emits ``client.merged``. Raises Invalid, QuoteStale, MergeConflict (both have a
    place in the same session).
    """
    at = at or timezone.now()
    winner, loser = _lock(client.pk, other.pk)
    choices = _checked(winner, loser, fields)
    before = Merging(winner, loser, at)
    result = _consequences(before, choices)
    uphold(quote, KIND, account_id=winner.account_id, inputs=_inputs(winner, loser, choices), result=result, at=at)
    blocking = [one for one in result["conflicts"] if one["is_blocking"]]
    if blocking:
        raise MergeConflict(conflicts=_plain_times(blocking))
    decided = {name: value for name, value in _decided(winner, loser, choices).items() if getattr(winner, name) != value}
    changes = {name: [_plain(getattr(winner, name)), _plain(value)] for name, value in decided.items()}
    logins = {"winner": winner.customer_id, "loser": loser.customer_id}
    with merging.exchanging(Client):
        loser.merged_into, loser.customer = winner, None
        loser.save(update_fields=["merged_into", "customer", "updated_at"])
        for name, value in decided.items():
            setattr(winner, name, value)
        winner.merged_ids = sorted({*winner.merged_ids, loser.pk, *loser.merged_ids})
        winner.save(update_fields=[*decided, "merged_ids", "updated_at"])
        moved = merging.move(Merging(winner, loser, at, {"logins": logins}))
    merge = ClientMerge.objects.create(
        account_id=winner.account_id,
        winner=winner,
        loser=loser,
        merged_at=at,
        merged_by_id=current_actor().actor_id,
        moved=moved,
        fields=changes,
        logins={**logins, "kept": winner.customer_id},
    )
    emit("client.merged", winner, changes={"other": [loser.pk, None], "merge": [None, merge.pk], **changes})
    return merge


@joined
def undo_merge(merge: ClientMerge, *, at: datetime | None = None) -> ClientMerge:
    """Take two records apart again: what was moved goes back, fields of the winner that nobody has changed since become what they were.

    Emits ``client.unmerged``. Raises InvalidTransition when it was undone already, MergeChanged when moved rows were changed
    since, or the winner was merged itself.
    """
    at = at or timezone.now()
    winner, loser = _lock(merge.winner_id, merge.loser_id)
    merge = ClientMerge.objects.select_for_update(no_key=True).get(pk=merge.pk)
    if merge.undone_at is not None:
        raise InvalidTransition("This merge was undone already.", allowed_actions=[])
    if loser.merged_into_id != winner.pk or winner.merged_into_id is not None:
        raise MergeChanged("The other record was merged itself since. Undo that merge first.", rows={"clients.client": [winner.pk]})
    made = Merging(winner, loser, merge.merged_at, {"logins": merge.logins, "undone_at": at})
    changed = merging.changed_since(made, merge.moved)
    if winner.customer_id != merge.logins["kept"] or _is_taken(merge.logins["loser"], {winner.pk, loser.pk}):
        changed["clients.client.customer"] = [winner.pk]
    if changed:
        raise MergeChanged(rows=changed)
    changes, left = {}, []
    for name, (before, after) in merge.fields.items():
        current = _plain(getattr(winner, name))
        if name != "customer" and current != after:
            left.append(name)
            continue
        setattr(winner, f"{name}_id" if name in ("owner", "customer", "blocked_by") else name, before)
        changes[name] = [current, before]
    winner.merged_ids = sorted(set(winner.merged_ids) - {loser.pk, *loser.merged_ids})
    with merging.exchanging(Client), constraint_error({"clients_client_unique_email": _email_taken}):
        winner.save(update_fields=[*changes, "merged_ids", "updated_at"])
        loser.merged_into, loser.customer_id = None, merge.logins["loser"]
        loser.save(update_fields=["merged_into", "customer", "updated_at"])
        merging.move_back(made, merge.moved)
    merge.undone_at = at
    merge.save(update_fields=["undone_at", "updated_at"])
    emit("client.unmerged", winner, changes={"other": [None, loser.pk], "merge": [merge.pk, None], "left": [None, left], **changes})
    return merge


@joined
def move_stragglers(merge: ClientMerge) -> int:
    """Move what was written for the loser while the merge was being committed; returns how many relations had some.

    A request that had read the loser before waits with its insert until the merge is committed, and then still succeeds.
    """
    winner, loser = _lock(merge.winner_id, merge.loser_id)
    merge = ClientMerge.objects.select_for_update(no_key=True).get(pk=merge.pk)
    if merge.undone_at is not None or loser.merged_into_id != winner.pk:
        return 0
    more = merging.move(Merging(winner, loser, merge.merged_at, {"logins": merge.logins}))
    if more:
        merge.moved = merging.with_more(merge.moved, more)
        merge.save(update_fields=["moved", "updated_at"])
    return len(more)


def _lock(winner_id: int, loser_id: int) -> tuple[Client, Client]:
    """Both rows against every change and every new reference: whoever is writing one is waited for.

    With them those that were merged into them, which are to lead elsewhere: all in one order, whoever merges what. A statement that waits
    for its locks does not see who was merged into them meanwhile; it lets go then (with its savepoint), and begins again.
    """
    both = (winner_id, loser_id)
    rows = Client.objects.filter(Q(pk__in=both) | Q(merged_into__in=both))
    while True:
        savepoint = transaction.savepoint()
        locked = rows.select_related("customer__user", "owner").select_for_update(of=("self",)).order_by("pk")
        found = {row.pk: row for row in locked}
        if found.keys() >= set(rows.values_list("pk", flat=True)):
            break
        transaction.savepoint_rollback(savepoint)
    transaction.savepoint_commit(savepoint)
    if not found.keys() >= {*both}:
        raise Invalid(fields={"other": ["This client is gone."]})
    return found[winner_id], found[loser_id]


def _checked(client: Client, other: Client, fields: Mapping[str, int] | None) -> dict[str, int]:
    """The choices, of fields that can be chosen, by the id of one of the two. Raises Invalid."""
    if client.pk == other.pk:
        raise Invalid("A client cannot be merged with itself.")
    for name, row in (("client", client), ("other", other)):
        if row.merged_into_id is not None:
            raise Invalid(fields={name: [f"This client was merged into {row.merged_into_id} already."]})
    erased = set(Erasure.objects.filter(client__in=[client, other], state=Erasure.State.DONE).values_list("client_id", flat=True))
    for name, row in (("client", client), ("other", other)):
        if row.pk in erased:  # nobody could be erased again whose record, or whose certificate, was of both
            raise Invalid(fields={name: ["This client was erased."]})
    wrong = {}
    for name, pk in (fields or {}).items():
        if name not in CHOOSABLE:
            wrong[name[:64]] = "This field cannot be chosen."
        elif pk not in (client.pk, other.pk):
            wrong[name] = "Send the id of one of the two clients."
    if wrong:
        raise Invalid(fields={"fields": [f"{name}: {text}" for name, text in sorted(wrong.items())]})
    return dict(sorted((fields or {}).items()))


def _decided(winner: Client, loser: Client, choices: Mapping[str, int]) -> dict[str, Any]:
    """{field: the value the winner will have}."""
    found: dict[str, Any] = {name: getattr(winner, name) or getattr(loser, name) for name in PLAIN}
    found["customer"] = winner.customer or loser.customer
    found["stage"] = loser.stage if winner.stage == Client.Stage.LEAD else winner.stage
    found["tags"] = list(dict.fromkeys([*winner.tags, *loser.tags]))
    found["custom_fields"] = {**loser.custom_fields, **{k: v for k, v in winner.custom_fields.items() if v not in (None, "", [])}}
    for name, pk in choices.items():
        found[name] = getattr(winner if pk == winner.pk else loser, name)
    found["consents"] = _latest_consents(winner.consents, loser.consents)
    blocked = winner if winner.blocked_at is not None or loser.blocked_at is None else loser
    held = max((winner, loser), key=_hold)
    return {**found, **{name: getattr(blocked, name) for name in BLOCK}, **{name: getattr(held, name) for name in HOLD}}


def _hold(client: Client) -> tuple[bool, date]:
    """The longer hold is the larger one; one without an end is the longest."""
    return bool(client.legal_hold_reason), client.legal_hold_until or date.max


def _latest_consents(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Of each purpose what was said last; where that is not known, what was withdrawn."""
    found = dict(one)
    for purpose, said in other.items():
        known = found.get(purpose)
        if known is None or _order(said) > _order(known):
            found[purpose] = said
    return found


def _order(said: Any) -> tuple[str, bool]:
    said = said if isinstance(said, dict) else {"granted": bool(said)}
    return str(said.get("at") or ""), not said.get("granted")


def _consequences(plan: Merging, choices: Mapping[str, int]) -> dict[str, Any]:
    """What a quote says: each field's value and where it is from, how many rows go along or stay, and what stands in the way."""
    winner, loser = plan.winner, plan.loser
    decided = _decided(winner, loser, choices)
    rows, staying = merging.count_rows(plan)
    return {
        "client": winner.pk,
        "other": loser.pk,
        "fields": {name: _told(winner, loser, name, decided[name]) for name in MERGED},
        "rows": rows,
        "staying": staying,
        "conflicts": merging.conflicts(plan),
    }


def _told(winner: Client, loser: Client, name: str, value: Any) -> dict[str, Any]:
    mine, others, taken = _plain(getattr(winner, name)), _plain(getattr(loser, name)), _plain(value)
    source = winner.pk if taken == mine else loser.pk if taken == others else None
    return {"value": taken, "from": source, "client": mine, "other": others}


def _inputs(client: Client, other: Client, choices: Mapping[str, int]) -> dict[str, Any]:
    return {"client": client.pk, "other": other.pk, "fields": dict(choices)}


def _plain(value: Any) -> Any:
    """As JSON keeps it: rows by id, times and phone numbers as text."""
    if value is None or isinstance(value, str | int | bool | list | dict):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return getattr(value, "pk", None) or str(value)


def _plain_times(conflicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in one.items()} for one in conflicts]


def _is_taken(customer_id: int | None, besides: set[int]) -> bool:
    """Whether the login that would go back is another client's here by now."""
    return customer_id is not None and Client.objects.filter(customer=customer_id).exclude(pk__in=besides).exists()


def _email_taken() -> MergeChanged:
    return MergeChanged("The e-mail address of the other record is somebody else's here by now.", rows={})
