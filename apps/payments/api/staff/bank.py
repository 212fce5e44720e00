from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import DayFilter, FilterSet, ScopedChoiceFilter
from apps.core.api.multipart import FormParser
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.core.events import acting
from apps.payments.models import BankLine, Payment
from apps.payments.services.bank import Found, allowed_actions, examine, ignore_line, match_line, settle_lines, store_lines
from apps.payments.statements import Statement, read_statement

SHOWN = 1000


class BankLineSerializer(ResourceSerializer):
    """A line of a bank statement: signed cents, and ``text`` as the bank wrote it.

    ``matched``: it is ``payment``, whose money was taken in. ``mismatch``: it names ``payment``, but ``amount_cents`` is not its
    ``payment_amount_cents``. ``unmatched``: nothing was found, or ``note`` says why not. ``ignored``: money going out, or set aside by staff.
    """

    payment_reference = serializers.CharField(source="payment.reference", read_only=True, allow_null=True)
    payment_amount_cents = serializers.IntegerField(source="payment.amount_cents", read_only=True, allow_null=True)
    order = serializers.IntegerField(source="payment.order_id", read_only=True, allow_null=True)
    order_number = serializers.CharField(source="payment.order.number", read_only=True, allow_null=True)
    allowed_actions = Computed(
        allowed_actions,
        needs=["status", "amount_cents"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
    )

    class Meta:
        model = BankLine
        fields: ClassVar = [
            "id",
            "booked_on",
            "amount_cents",
            "currency",
            "text",
            "status",
            "note",
            "payment",
            "payment_reference",
            "payment_amount_cents",
            "order",
            "order_number",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class StatementInput(InputSerializer):
    """A bank statement, sent as `multipart/form-data`."""

    file = serializers.FileField(
        help_text="CSV (`;`, `,` or tab; UTF-8 or Latin-1) with a header in English, German or Spanish that has at least a date and an "
        "amount. At most 10 MB and 50,000 lines."
    )
    commit = serializers.BooleanField(default=False, help_text="Left out: nothing is written, and the answer says what would happen.")
    date_order = serializers.ChoiceField(
        choices=["auto", "dmy", "mdy"],
        default="auto",
        help_text="How 03/04/2026 is meant. `auto`: day first, unless a date of the file can only be month first.",
    )


class StatementLineSerializer(serializers.Serializer):
    """A line of the file, and what it is (or would be)."""

    line = serializers.IntegerField(help_text="Its number in the file; the header counts.")
    is_known = serializers.BooleanField(help_text="It was imported before; nothing is done about it again.")
    booked_on = serializers.DateField()
    amount_cents = serializers.IntegerField()
    currency = serializers.CharField()
    text = serializers.CharField()
    status = serializers.ChoiceField(choices=BankLine.Status.choices)
    note = serializers.CharField()
    payment = serializers.IntegerField(allow_null=True)


class StatementErrorSerializer(serializers.Serializer):
    """A line that could not be read; the others are not held up by it."""

    line = serializers.IntegerField()
    reason = serializers.CharField()


class StatementCountsSerializer(serializers.Serializer):
    """How many lines of the file are what; `known` and `unreadable` over all."""

    matched = serializers.IntegerField()
    unmatched = serializers.IntegerField()
    mismatch = serializers.IntegerField()
    ignored = serializers.IntegerField()
    known = serializers.IntegerField()
    unreadable = serializers.IntegerField()


class StatementSerializer(serializers.Serializer):
    """What an import did, or (without `committed`) would do. `lines` and `unreadable` are the first 1,000 of each; `counts` is over all."""

    committed = serializers.BooleanField()
    counts = StatementCountsSerializer()
    lines = StatementLineSerializer(many=True)
    unreadable = StatementErrorSerializer(many=True)


class BankStatementViewSet(StaffViewSet):
    """Import of bank statements: transfers that quote a payment's reference and have its amount are taken in."""

    model = BankLine
    serializer_class = StatementSerializer
    parser_classes = (FormParser,)
    staged = frozenset({"create"})

    @extend_schema(request=StatementInput, responses={200: StatementSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Preview a statement, or import it with `commit`.

        Send the same or an overlapping file as often as you like: a line counts once, and an import that was cut off is finished by
        sending the file again, so there is no Idempotency-Key here. Lines that cannot be read are in `unreadable`; the others go in.
        400 when no header was found or the file has too many lines, 413 `payload_too_large`.
        """
        statement = Statement([], [])

        def begin() -> dict[str, Any] | Response:
            nonlocal statement
            data = self.validated(StatementInput, request)
            statement = read_statement(
                data["file"].read(), currency=self.account.currency, date_order=data["date_order"], country=self.account.country_id
            )
            found = examine(statement.rows)
            if not data["commit"]:
                return Response(summary(statement, found, committed=False))
            known = [one.row.line for one in found if one.is_known]
            return {"known": known, "lines": list(store_lines(found).items())}

        def outside(state: dict[str, Any]) -> None:
            with acting(self.caller.pk, self.role):
                settle_lines(self.account.pk, lines=state["lines"])

        def finish(state: dict[str, Any]) -> Response:
            done = examine(statement.rows)
            return Response(summary(statement, done, committed=True, known=frozenset(state["known"])))

        return self.in_stages(begin, outside, finish)


def summary(statement: Statement, found: list[Found], *, committed: bool, known: frozenset[int] = frozenset()) -> dict[str, Any]:
    """The answer. After an import every line is known: ``known`` says which (by number) were known before it."""

    def was_known(one: Found) -> bool:
        return one.row.line in known if committed else one.is_known

    counts = dict.fromkeys(BankLine.Status.values, 0)
    for one in found:
        counts[one.verdict.status] += 1
    return {
        "committed": committed,
        "counts": {**counts, "known": sum(map(was_known, found)), "unreadable": len(statement.errors)},
        "lines": [
            {
                "line": one.row.line,
                "is_known": was_known(one),
                "booked_on": one.row.booked_on,
                "amount_cents": one.row.amount_cents,
                "currency": one.row.currency,
                "text": one.row.text,
                "status": one.verdict.status,
                "note": one.verdict.note,
                "payment": one.verdict.payment_id,
            }
            for one in found[:SHOWN]
        ],
        "unreadable": [{"line": error.line, "reason": error.reason} for error in statement.errors[:SHOWN]],
    }


class BankLineFilter(FilterSet):
    status = filters.ChoiceFilter(choices=BankLine.Status.choices)
    payment = ScopedChoiceFilter(model=Payment)

    class Meta:
        model = BankLine
        fields: ClassVar[list[str]] = []


# ``from`` is a word of Python's; a class body cannot say it.
BankLineFilter.base_filters["from"] = DayFilter(field_name="booked_on", lookup_expr="gte", help_text="Booked on this day or later.")
BankLineFilter.base_filters["to"] = DayFilter(field_name="booked_on", lookup_expr="lt", help_text="Booked before this day.")


class MatchInput(InputSerializer):
    """Which payment the line is."""

    payment = ScopedRelatedField(model=Payment)


class IgnoreInput(InputSerializer):
    """Why the line is no payment."""

    reason = serializers.CharField(max_length=255)


class BankLineViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Lines of imported bank statements. What matched by itself is done; the others wait for staff."""

    model = BankLine
    serializer_class = BankLineSerializer
    filterset_class = BankLineFilter
    orderings: ClassVar = {**StaffViewSet.orderings, "booked_on": "booked_on"}
    search_fields = ("text", "note")
    idempotent = frozenset({"match"})

    @extend_schema(request=MatchInput, responses=BankLineSerializer)
    @action(detail=True, methods=["post"])
    def match(self, request: Request, pk: str) -> Response:
        """This line is that payment: its money is taken in (also of a payment that was not expected any more, as late money).

        409 `amount_mismatch` (with both amounts), `invalid_transition` when the line or the payment is matched already, or the
        payment is no bank transfer.
        """
        line = self.get_object()
        match_line(line, **self.validated(MatchInput, request))
        return Response(self.represent(line.pk), status=status.HTTP_200_OK)

    @extend_schema(request=IgnoreInput, responses=BankLineSerializer)
    @action(detail=True, methods=["post"])
    def ignore(self, request: Request, pk: str) -> Response:
        """This line is about no payment; `reason` becomes its note. 409 `invalid_transition` when it is matched or ignored already."""
        line = self.get_object()
        ignore_line(line, **self.validated(IgnoreInput, request))
        return Response(self.represent(line.pk))


__all__ = ["BankLineViewSet", "BankStatementViewSet"]
