"""What a message says, read from the row that its event is about and from what the event itself keeps.

``changes`` are part of the event and never change; the row may have changed since. Times come from the event where it has them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.accounts.models import Account, Membership
from apps.bookings.models import Booking, BookingDocument, Review, WaitlistOffer
from apps.catalog.models import Practitioner, Service
from apps.checkout.waitlist import token_of
from apps.clients.models import Client, ClientExport, ClientImport, ClientTask, SubjectExport
from apps.content.models import BlogComment
from apps.core.models import Event
from apps.core.tenancy import current_account_id
from apps.notifications.words import Instant, Money, Span
from apps.orders.models import Order
from apps.payments.models import Dispute, GiftCode, Invoice, Payment, Refund
from apps.sites.models import SiteOwnership, SiteTransfer
from apps.tickets.models import Ticket, TicketTime
from apps.users.models import User


@dataclass(slots=True)
class Scene:
    """The row of an event and what can be said of it. ``data`` are the ids that go into a notification."""

    subject: Any
    facts: dict[str, Any]
    data: dict[str, Any]
    client: Client | None = None
    booking: Booking | None = None
    order: Order | None = None
    zone: str = ""
    start: datetime | None = None
    end: datetime | None = None
    practitioners: dict[int, Practitioner] = field(default_factory=dict)
    in_charge: User | None = None
    """Who looks after it, and is told instead of the managers."""


Reader = Callable[[Event], Scene | None]

WITH_LOGIN = ("client__customer__user", "client__merged_into")


def scene_of(event: Event) -> Scene | None:
    """What the event is about; None when the row is gone."""
    read = READERS.get(event.subject_type)
    return read(event) if read is not None else None


def before_and_after(event: Event, name: str) -> tuple[Any, Any]:
    """What the event says about one field."""
    before, after = event.changes.get(name, (None, None))
    return before, after


def moment(text: str | None) -> datetime | None:
    """An instant as events write them."""
    return datetime.fromisoformat(text) if text else None


# -- bookings


def of_booking(booking: Booking, *, start: datetime | None = None, end: datetime | None = None) -> Scene:
    """A session at its own time, or at the one that an event says it had."""
    begins = start or booking.start_time
    ends = end or booking.end_time
    if begins is not None and (ends is None or begins != booking.start_time):
        ends = end or begins + _length(booking)
    practitioner = booking.practitioner.display_name if booking.practitioner is not None else booking.account.name
    facts: dict[str, Any] = {
        "service": booking.service.name,
        "practitioner": practitioner,
        "client": booking.attendee_name or booking.client.full_name,
        "order": booking.order.number,
        "booking_id": booking.pk,
        "order_id": booking.order_id,
    }
    if begins is not None and ends is not None:
        facts["when"] = Span(begins, ends)
    data: dict[str, Any] = {"booking": booking.pk, "order": booking.order_id, "start_time": begins.isoformat() if begins else None}
    return Scene(booking, facts, data, booking.client, booking, booking.order, booking.timezone, begins, ends)


def _length(booking: Booking) -> timedelta:
    if booking.start_time is not None and booking.end_time is not None:
        return booking.end_time - booking.start_time
    return timedelta(minutes=booking.service.duration_minutes)


def bookings() -> Any:
    """Sessions with all that a message says of them: one statement."""
    return Booking.objects.select_related("account", "service", "practitioner__member__user", "order", *WITH_LOGIN)


def _booking(event: Event) -> Scene | None:
    booking = bookings().filter(pk=event.subject_id).first()
    if booking is None:
        return None
    began, begins = (moment(one) for one in before_and_after(event, "start_time"))
    ended, _ = (moment(one) for one in before_and_after(event, "end_time"))
    if event.type == "booking.rescheduled":
        scene = of_booking(booking, start=begins)
    elif began is not None and begins is None:  # it has lost its time since, and the event keeps it
        scene = of_booking(booking, start=began, end=ended)
    else:
        scene = of_booking(booking, start=begins)
    before_id, after_id = before_and_after(event, "practitioner")
    wanted = {one for one in (before_id, after_id) if one} - {booking.practitioner_id}
    if wanted:
        scene.practitioners = {one.pk: one for one in Practitioner.objects.select_related("member__user").filter(pk__in=wanted)}
    if booking.practitioner is not None:
        scene.practitioners[booking.practitioner_id] = booking.practitioner
    named = scene.practitioners.get(after_id or before_id or 0)
    if named is not None:
        scene.facts["practitioner"] = named.display_name
    if event.type == "booking.rescheduled" and began is not None and scene.start is not None and scene.end is not None:
        scene.facts["before"] = Span(began, began + (scene.end - scene.start))
    return scene


# -- orders and money


def of_order(order: Order) -> Scene:
    """What was bought, under its name at the sale."""
    facts = {
        "order": order.number,
        "what": order.package_metadata.get("name") or order.number,
        "total": Money(order.total_amount_cents, order.currency),
        "order_id": order.pk,
    }
    return Scene(order, facts, {"order": order.pk}, order.client, None, order)


def _order(event: Event) -> Scene | None:
    order = Order.objects.select_related("account", "service", *WITH_LOGIN).filter(pk=event.subject_id).first()
    if order is None:
        return None
    scene = of_order(order)
    until = moment(before_and_after(event, "expires_at")[1])
    if until is not None:
        scene.facts["until"] = Instant(until - timedelta(seconds=1))
        scene.zone = order.account.timezone
    why = before_and_after(event, "why")[1]
    if why is not None:
        scene.facts["why"] = str(why)
    return scene


MONEY = ("order__account", "order__service", "order__client", *WITH_LOGIN)


def _money(model: Any, name: str) -> Reader:
    def read(event: Event) -> Scene | None:
        row = model.objects.select_related(*MONEY).filter(pk=event.subject_id).first()
        if row is None:
            return None
        scene = of_order(row.order)
        scene.subject, scene.client = row, row.client
        scene.facts.update({"amount": Money(row.amount_cents, row.currency), "client": row.client.full_name, f"{name}_id": row.pk})
        scene.data[name] = row.pk
        return scene

    return read


def _invoice(event: Event) -> Scene | None:
    invoice = Invoice.objects.select_related("order__service", *WITH_LOGIN).filter(pk=event.subject_id).first()
    if invoice is None:
        return None
    facts = {"number": invoice.number, "total": Money(abs(invoice.total_cents), invoice.currency), "invoice_id": invoice.pk}
    return Scene(invoice, facts, {"invoice": invoice.pk, "order": invoice.order_id}, invoice.client, None, invoice.order)


def _gift(event: Event) -> Scene | None:
    found = GiftCode.objects.select_related("order__service", "order__client__customer__user", "order__client__merged_into")
    gift = found.filter(pk=event.subject_id, order__isnull=False).first()
    if gift is None or gift.order is None:
        return None
    scene = of_order(gift.order)
    scene.subject = gift
    scene.facts.update({"last4": gift.last4, "amount": Money(gift.amount_cents, gift.currency)})
    scene.data["gift_code"] = gift.pk
    return scene


# -- the rest


def _offer(event: Event) -> Scene | None:
    found = WaitlistOffer.objects.select_related("entry__service", "practitioner", *WITH_LOGIN)
    offer = found.filter(pk=event.subject_id).first()
    if offer is None:
        return None
    service = offer.entry.service
    facts = {
        "service": service.name,
        "practitioner": offer.practitioner.display_name,
        "when": Span(offer.start_time, offer.start_time + timedelta(minutes=service.duration_minutes)),
        "until": Instant(offer.expires_at),
        "token": token_of(offer),
    }
    data = {"waitlist_offer": offer.pk, "start_time": offer.start_time.isoformat()}
    return Scene(offer, facts, data, offer.client, zone=offer.entry.timezone)


def _review(event: Event) -> Scene | None:
    found = Review.objects.select_related("booking__service", "practitioner__member__user", *WITH_LOGIN)
    review = found.filter(pk=event.subject_id).first()
    if review is None:
        return None
    facts = {
        "service": review.booking.service.name,
        "client": review.client.full_name,
        "rating": review.rating,
        "reply": review.reply,
        "review_id": review.pk,
        "booking_id": review.booking_id,
    }
    scene = Scene(review, facts, {"review": review.pk, "booking": review.booking_id}, review.client)
    scene.practitioners = {review.practitioner_id: review.practitioner}
    return scene


def _comment(event: Event) -> Scene | None:
    comment = BlogComment.objects.select_related("post").filter(pk=event.subject_id).first()
    if comment is None:
        return None
    facts = {"author": comment.author_name, "post": comment.post.title, "comment_id": comment.pk}
    return Scene(comment, facts, {"comment": comment.pk, "post": comment.post_id})


def _service(event: Event) -> Scene | None:
    service = Service.objects.filter(pk=event.subject_id).first()
    start = moment(before_and_after(event, "start_time")[1])
    if service is None or start is None:
        return None
    practitioner_id = before_and_after(event, "practitioner")[1]
    facts = {
        "service": service.name,
        "when": Span(start, start + timedelta(minutes=service.duration_minutes)),
        "attendees": before_and_after(event, "attendees")[1] or 0,
        "minimum": before_and_after(event, "minimum")[1] or service.min_attendees,
        "service_id": service.pk,
    }
    scene = Scene(service, facts, {"service": service.pk, "start_time": start.isoformat()})
    found = Practitioner.objects.select_related("member__user").filter(pk=practitioner_id)
    scene.practitioners = {one.pk: one for one in found}
    return scene


def _ticket(event: Event) -> Scene | None:
    ticket = Ticket.objects.select_related(*WITH_LOGIN).filter(pk=event.subject_id).first()
    if ticket is None:
        return None
    facts = {"number": ticket.number, "subject": ticket.subject, "client": ticket.client.full_name, "ticket_id": ticket.pk}
    scene = Scene(ticket, facts, {"ticket": ticket.pk}, ticket.client)
    # Who looked after it then, so that every run tells the same people.
    assignee = Membership.objects.select_related("user__customer").filter(pk=before_and_after(event, "assignee")[1]).first()
    if assignee is not None and assignee.is_active and assignee.user.is_active:
        scene.in_charge = assignee.user
    spent = before_and_after(event, "time")[1]
    if spent is not None:
        return _with_time(scene, spent)
    return scene


def _with_time(scene: Scene, spent: int) -> Scene | None:
    """What work on a ticket has used up."""
    found = TicketTime.objects.select_related("booking__service", "booking__practitioner__member__user")
    time = found.filter(pk=spent).first()
    if time is None or time.booking.practitioner is None:
        return None
    scene.facts.update({"minutes": time.minutes, "service": time.booking.service.name})
    scene.data["booking"] = time.booking_id
    scene.practitioners = {time.booking.practitioner_id: time.booking.practitioner}
    return scene


def _site(model: Any) -> Reader:
    """An ownership, or an offer of one."""

    def read(event: Event) -> Scene | None:
        row = model.objects.select_related("account", "site", *WITH_LOGIN).filter(pk=event.subject_id).first()
        if row is None:
            return None
        facts: dict[str, Any] = {"site": row.site.site_title}
        until = moment(before_and_after(event, "expires_at")[1])
        if until is not None:
            facts["until"] = Instant(until)
        return Scene(row, facts, {"site_id": str(row.site.site_id)}, row.client, zone=row.account.timezone)

    return read


def _anything(event: Event) -> Scene | None:
    """Of rows that other apps on this floor keep only the event itself is read."""
    why = before_and_after(event, "state_reason")[1]
    return Scene(None, {"why": str(why or "?")}, {event.subject_type.rpartition(".")[2]: event.subject_id})


def _task(event: Event) -> Scene | None:
    task = ClientTask.objects.select_related("client", "assignee__user__customer").filter(pk=event.subject_id, done_at=None).first()
    if task is None:
        return None
    scene = Scene(task, {"task": task.title, "client": task.client.full_name, "client_id": task.client_id}, {"client_task": task.pk})
    if task.assignee is not None and task.assignee.is_active and task.assignee.user.is_active:
        scene.in_charge = task.assignee.user
    return scene


def _import(event: Event) -> Scene | None:
    source = ClientImport.objects.filter(pk=event.subject_id).first()
    if source is None:
        return None
    counts = {name: before_and_after(event, name)[1] or 0 for name in ("created", "updated", "skipped", "bad")}
    return Scene(source, {"name": source.name, "import_id": source.pk, **counts}, {"client_import": source.pk})


def _export(event: Event) -> Scene | None:
    export = ClientExport.objects.select_related("requested_by").filter(pk=event.subject_id).first()
    if export is None:
        return None
    who = export.requested_by.email if export.requested_by is not None else "?"
    return Scene(export, {"who": who, "export_id": export.pk}, {"client_export": export.pk})


def _archive(event: Event) -> Scene | None:
    export = SubjectExport.objects.select_related("client", "requested_by").filter(pk=before_and_after(event, "archive")[1]).first()
    if export is None:
        return None
    who = export.requested_by.email if export.requested_by is not None else "?"
    facts = {"who": who, "client": export.client.full_name, "client_id": export.client_id}
    return Scene(export, facts, {"client": export.client_id, "subject_export": export.pk})


READERS: dict[str, Reader] = {
    "clients.client": _archive,
    "clients.clientexport": _export,
    "clients.clientimport": _import,
    "clients.clienttask": _task,
    "bookings.booking": _booking,
    "bookings.waitlistoffer": _offer,
    "bookings.review": _review,
    "content.blogcomment": _comment,
    "catalog.service": _service,
    "orders.order": _order,
    "payments.payment": _money(Payment, "payment"),
    "payments.refund": _money(Refund, "refund"),
    "payments.dispute": _money(Dispute, "dispute"),
    "payments.invoice": _invoice,
    "payments.giftcode": _gift,
    "tickets.ticket": _ticket,
    "sites.siteownership": _site(SiteOwnership),
    "sites.sitetransfer": _site(SiteTransfer),
    "integrations.webhookendpoint": _anything,
}


def account_of(event: Event) -> Account:
    """The account of an event, whose scope is open."""
    return Account.objects.get(pk=current_account_id() or event.account_id)


def document_of(event: Event) -> BookingDocument | None:
    """The document that an event about a session names."""
    after = before_and_after(event, "document")[1]
    return BookingDocument.objects.filter(pk=after).first() if after else None
