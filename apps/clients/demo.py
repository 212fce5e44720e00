"""What the demo's businesses know about their clients: fields, notes, tasks, consents, somebody who is not wanted, and selections."""

from datetime import datetime, timedelta
from typing import Any

from apps.accounts.models import Account, Membership, Role
from apps.clients.models import Client, CustomField, Segment
from apps.clients.services import update_client
from apps.clients.services.blocking import block_contact
from apps.clients.services.care import add_note, add_task, finish_task, record_consent
from apps.core.demo import follow_ups

FIELDS: tuple[dict[str, Any], ...] = (
    {"key": "goal", "label": "Goal", "kind": "text"},
    {"key": "level", "label": "Level", "kind": "choice", "options": ["beginner", "intermediate", "advanced"]},
    {"key": "birthday", "label": "Birthday", "kind": "date"},
)
SEGMENTS = (
    ("Not seen for a month", [{"field": "last_booking", "op": "before", "value": {"days_ago": 30}}]),
    ("Package holders", [{"field": "has_package", "op": "is", "value": True}]),
    ("Leads without a session", [{"field": "stage", "op": "in", "value": ["lead"]}, {"field": "has_upcoming", "op": "is", "value": False}]),
)
NOTES = (
    ("Prefers mornings; comes by bike, so please no towels.", True),
    ("Asked about a group on Saturdays.", False),
    ("Old knee injury on the left. Go slowly with lunges.", True),
)
WORDING = "You may write to me about offers; I can say stop at any time."


def care_for_clients(account: Account, at: datetime) -> None:
    """A working day of the front desk."""
    day = timedelta(days=1)
    for position, declared in enumerate(FIELDS, start=1):
        CustomField.objects.create(account=account, position=position, **declared)
    for name, conditions in SEGMENTS:
        Segment.objects.create(account=account, name=name, conditions=conditions)
    desk = Membership.objects.filter(role=Role.FRONT_DESK, is_active=True).order_by("pk").first()
    clients = list(Client.objects.current().order_by("pk")[:3])
    for client, (body, is_pinned), level in zip(clients, NOTES, ("beginner", "advanced", "intermediate"), strict=False):
        update_client(client, custom_fields={**client.custom_fields, "level": level})
        add_note(client=client, body=body, is_pinned=is_pinned, author=desk)
        record_consent(client=client, purpose="newsletter", granted=True, wording=WORDING, source="paper", given_at=at - 30 * day, at=at)
    if clients:
        first, last = clients[0], clients[-1]
        record_consent(client=first, purpose="newsletter", granted=False, source="phone", given_at=at - 2 * day, at=at)
        add_task(client=first, title="Call back about the spring package", due_at=at + day, assignee=desk, author=desk)
        finish_task(add_task(client=last, title="Send the intake form", due_at=at - day, assignee=desk, author=desk), by=desk, at=at)
    block_contact(account_id=account.pk, email="pest@example.org", reason="Booked and never came, five times.", author=desk)


follow_ups.append(care_for_clients)
