"""The doors: every API view is one of these roles, and a role is a URL prefix, a folder and a permission.

A door authenticates, decides whose rows are in reach, opens that scope for the rest of the transaction and only then lets
the view run. ``get_queryset`` is final: a view narrows it in ``narrow`` and cannot reach around it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, final

from django.db import IntegrityError, models, transaction
from django.db.models import CheckConstraint, ProtectedError, QuerySet, RestrictedError, UniqueConstraint
from django.http import HttpResponseBase
from django_scopes import scope
from rest_framework import exceptions, mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.viewsets import GenericViewSet

from apps.core import compiled, idempotency
from apps.core.api import reading
from apps.core.api.json import dumps
from apps.core.api.listing import FilterSet, Listing
from apps.core.api.permissions import AllowRole
from apps.core.constraints import SameAccount
from apps.core.db import constraint_name
from apps.core.errors import InUse, Invalid, NotFound
from apps.core.tenancy import current_account_id


@dataclass(frozen=True, slots=True)
class Restriction:
    """How a view is narrowed for some callers only. The SQL is kept for them, too: what they are goes into it as parameters.

    ``apply`` gets a queryset and, by the names of ``values``, the values (or their placeholders).
    """

    name: str
    values: dict[str, tuple[Any, models.Field]]
    apply: Callable[[QuerySet, Callable[[str], Any]], QuerySet]

    def to(self, queryset: QuerySet) -> QuerySet:
        """The queryset narrowed for this caller."""
        return self.apply(queryset, lambda name: models.Value(self.values[name][0], output_field=self.values[name][1]))

    def kept(self, queryset: QuerySet) -> QuerySet:
        """The same with placeholders."""
        return self.apply(queryset, lambda name: compiled.Param(name, self.values[name][1]))

    @property
    def parameters(self) -> dict[str, Any]:
        return {name: value for name, (value, _) in self.values.items()}


class Door(GenericViewSet):
    """Base of all API views. Subclasses say who may enter (``enter``, ``may``); views say which model they serve."""

    role: ClassVar[str]
    model: ClassVar[type[models.Model]]
    serializer_class: ClassVar[Any] = None
    filterset_class: ClassVar[type[FilterSet] | None] = None
    orderings: ClassVar[dict[str, str]] = {"created_at": "created_at", "updated_at": "updated_at"}
    default_ordering: ClassVar[str] = "-created_at"
    search_fields: ClassVar[tuple[str, ...]] = ()
    ranked: Any = None
    """Instead of ``search``: a function of (queryset, text, limit) that finds the keys of the best, unless an ordering is asked for."""
    idempotent: ClassVar[frozenset[str]] = frozenset()
    staged: ClassVar[frozenset[str]] = frozenset()
    """POSTs that call the outside world between two transactions: they answer through ``in_stages``."""
    permission_classes = (AllowRole,)
    lookup_value_regex = r"[^/]+"
    filter_backends = ()
    pagination_class = None
    claim: idempotency.Claim | None = None
    entered: ExitStack | None = None

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        view = super().as_view(actions, **initkwargs)
        if (cls.idempotent | cls.staged) & set((actions or {}).values()):
            view = transaction.non_atomic_requests(view)
        return view

    # -- who

    def enter(self, request: Request) -> None:
        """Decide whose rows are in reach and open the scope (``self.scopes``), after authentication."""
        raise exceptions.PermissionDenied

    def may(self, request: Request) -> bool:
        """Whether this caller may use this action."""
        return False

    def re_enter(self) -> None:
        """Open the scope again in a later transaction of the same request."""

    @contextmanager
    def keys(self) -> Iterator[int]:
        """The scope of the account that keeps this request's Idempotency-Key, and its id: the one that is open."""
        account_id = current_account_id()
        if account_id is None:
            raise exceptions.PermissionDenied
        yield account_id

    # -- one request

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self.scopes:
            if self._claims_key(request) or self._is_staged(request):
                return self._dispatch_in_transactions(request, *args, **kwargs)
            if self._opens_its_own_transaction():
                self.scopes.enter_context(transaction.atomic())
            return super().dispatch(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        self.enter(request)

    def _opens_its_own_transaction(self) -> bool:
        """Routes that accept an Idempotency-Key are not atomic requests (see ``as_view``)."""
        return bool((self.idempotent | self.staged).intersection(self.action_map.values()))

    def _is_staged(self, request: Any) -> bool:
        return request.method == "POST" and self.action_map.get("post") in self.staged

    def _claims_key(self, request: Any) -> bool:
        action = self.action_map.get(request.method.lower()) if request.method == "POST" else None
        return action in self.idempotent and "Idempotency-Key" in request.headers

    def _dispatch_in_transactions(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Enter and claim the key (if one was sent) in one transaction; then the work, in one more or in stages."""
        self.args, self.kwargs = args, kwargs
        key = request.headers.get("Idempotency-Key") if self._claims_key(request) else None
        digest = idempotency.fingerprint(request.method, request.get_full_path(), request.body) if key is not None else ""
        staged = self._is_staged(request)
        request = self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        self.claim = None
        try:
            with ExitStack() as self.scopes:
                self.scopes.enter_context(transaction.atomic())
                self.initial(request, *args, **kwargs)
                if key is not None:
                    actor = request.user.pk if request.user and request.user.is_authenticated else None
                    with self.keys() as account_id:
                        self.claim = idempotency.claim(account_id=account_id, actor_id=actor, key=key, request_hash=digest)
                else:
                    self.entered = self.scopes.pop_all()  # nothing to commit: the first unit goes on in this transaction
            if self.claim is not None and self.claim.is_replay:
                headers = {"Idempotent-Replayed": "true", **self.replayed_headers(self.claim.response)}
                response = Response(self.claim.response.encode(), status=self.claim.status_code, headers=headers)
            else:
                response = self._work(request, staged=staged)
        except Exception as error:
            self._leave()
            with transaction.atomic():  # DRF marks the innermost transaction for rollback: not the one around a test
                response = self.handle_exception(error)
        self.response = self.finalize_response(request, response, *args, **kwargs)
        return self.response

    def _leave(self) -> None:
        """Close a transaction that no unit took over."""
        if self.entered is not None:
            self.entered.close()
            self.entered = None

    def replayed_headers(self, body: str) -> dict[str, str]:
        """The headers of the first reply that a repetition needs, too; only its body was kept."""
        return {}

    def _work(self, request: Request, *, staged: bool) -> Response:
        """Run the action; when it fails, the client may try again with its key."""
        handler = getattr(self, request.method.lower())  # type: ignore[union-attr]
        self.has_begun = self.claim is not None and self.claim.state is not None
        try:
            if staged:
                return handler(request, *self.args, **self.kwargs)
            with self.unit():
                return self._replied(handler(request, *self.args, **self.kwargs))
        except BaseException:  # also a worker that is told to stop
            if self.claim is not None:
                with self.unit(), self.keys():
                    (idempotency.suspend if self.has_begun else idempotency.release)(self.claim)
            raise

    @contextmanager
    def unit(self) -> Iterator[None]:
        """One transaction of a request that has several, inside the caller's scope."""
        entered, self.entered = self.entered, None
        with entered or ExitStack() as self.scopes:
            if entered is None:
                self.scopes.enter_context(transaction.atomic())
                self.re_enter()
            yield

    def _replied(self, response: Response) -> Response:
        """Keep the reply with its key, in the transaction of the work."""
        if self.claim is not None:
            with self.keys():
                idempotency.store_reply(self.claim, response.status_code, dumps(response.data).decode())
        return response

    def in_stages(
        self,
        begin: Callable[[], dict[str, Any] | Response],
        outside: Callable[[dict[str, Any]], object],
        finish: Callable[[dict[str, Any]], Response],
    ) -> Response:
        """Answer a POST that needs the outside world.

        ``begin`` writes what is wanted and says with JSON what was written (or answers at once, when nobody has to be called).
        ``outside`` calls, without a transaction; it must be repeatable, because a request that was cut off goes on here.
        ``finish`` answers.
        """
        state = self.claim.state if self.claim is not None else None
        if state is None:
            with self.unit():
                begun = begin()
                if isinstance(begun, Response):
                    return self._replied(begun)
                if self.claim is not None:
                    with self.keys():
                        idempotency.keep_state(self.claim, begun)
            state, self.has_begun = begun, True
        outside(state)
        with self.unit():
            return self._replied(finish(state))

    # -- what

    @final
    def get_queryset(self) -> QuerySet:
        if getattr(self, "swagger_fake_view", False):
            return self.model._base_manager.none()
        rows = self.narrow_for_request(self.narrow(self.model.objects.all()))  # type: ignore[attr-defined]
        restriction = self.restriction()
        return restriction.to(rows) if restriction is not None else rows

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        """The rows this view shows, of those in scope. A class method: list SQL is compiled once and kept."""
        return queryset

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        """Narrowing that depends on the caller; a view that needs it gives up the kept SQL."""
        return queryset

    def restriction(self) -> Restriction | None:
        """Narrowing of some callers only, with which the SQL stays kept; None for everybody else."""
        return None

    def knows(self, row: models.Model) -> bool:
        """Whether the caller may name this row in what they send; one that they may not does not exist for them."""
        return True

    def get_object(self) -> Any:
        pk = valid_pk(self.model, self.kwargs[self.lookup_url_kwarg or self.lookup_field])
        found = self._of_row(pk, "object", lambda rows: rows)
        if not found:
            raise NotFound
        return found[0]

    def represent(self, pk: Any, serializer_class: Any = None) -> dict[str, Any]:
        """The resource as this door shows it; 404 when it is not among the rows in reach."""
        serializer_class = serializer_class or self.serializer_class
        plan = reading.plan_of(serializer_class)
        found = self._of_row(pk, serializer_class, lambda rows: rows.values_list(*plan.columns))
        if not found:
            raise NotFound
        return reading.shape_rows(plan, found)[0]

    def _of_row(self, pk: Any, what: Any, select: Callable[[QuerySet], QuerySet]) -> list[Any]:
        """``select`` of the one row in reach with this key, or nothing. The SQL is kept unless the view narrows per request."""
        account_id = current_account_id()
        if account_id is None or type(self).narrow_for_request is not Door.narrow_for_request:
            return list(select(self.get_queryset().filter(pk=pk))[:1])
        key, restriction = self.model._meta.pk, self.restriction()

        def build() -> QuerySet:
            with scope(account=compiled.Param("account_id", models.BigIntegerField())):
                rows = self.narrow(self.model.objects.all())  # type: ignore[attr-defined]
                rows = restriction.kept(rows) if restriction is not None else rows
                return select(rows.filter(pk=compiled.Param("pk", key))).order_by("pk")

        shape = ("row", type(self), self.model, what, restriction.name if restriction else "")
        return compiled.run(shape, build, {"account_id": account_id, "pk": pk, **(restriction.parameters if restriction else {})})

    def validated(self, serializer_class: Any, request: Request) -> dict[str, Any]:
        """Validated input of an action."""
        serializer = serializer_class(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Only the allowed methods; the contract itself is at /api/schema/."""
        return Response(status=status.HTTP_204_NO_CONTENT)


def valid_pk(model: type[models.Model], value: Any) -> Any:
    """A primary key out of the URL; what can never be one is simply not found."""
    pk = model._meta.pk
    if isinstance(pk, models.IntegerField):
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63):
            raise NotFound
        return int(text)
    try:
        return pk.to_python(value)
    except Exception as error:
        raise NotFound from error


class ListMixin:
    """``list`` through Listing: filters, search, ordering, keyset pages."""

    def list(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.listing().page(request))

    def listing(self: Any) -> Listing:
        overridden = type(self).narrow_for_request is not Door.narrow_for_request
        account_id, restriction = current_account_id(), self.restriction()
        return Listing(
            view=None if overridden else (type(self), restriction.name if restriction else ""),
            model=self.model,
            serializer_class=self.serializer_class,
            base=self.get_queryset,
            kept=(lambda: restriction.kept(self.narrow(self.model.objects.all()))) if restriction else None,
            filterset_class=self.filterset_class,
            orderings={"id": "id", **self.orderings},
            default_ordering=self.default_ordering,
            search=self.search if self.search_fields else None,
            scope_values={"account_id": account_id, **(restriction.parameters if restriction else {})},
            scoped=lambda: scope(account=compiled.Param("account_id", models.BigIntegerField())),
            ranked=type(self).ranked,
        )

    def search(self: Any, queryset: QuerySet, text: str) -> QuerySet:
        """Every word must be found in one of ``search_fields``."""
        for word in text.split()[:10]:
            matches = models.Q()
            for name in self.search_fields:
                matches |= models.Q(**{f"{name}__icontains": word})
            queryset = queryset.filter(matches)
        return queryset


class RetrieveMixin:
    def retrieve(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.represent(valid_pk(self.model, self.kwargs["pk"])))


class CreateMixin:
    def create(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with refused_by_database(self.model):
            instance = self.perform_create(serializer)
        return Response(self.represent(instance.pk), status=status.HTTP_201_CREATED)

    def perform_create(self: Any, serializer: serializers.ModelSerializer) -> models.Model:
        """Rows without consequences are saved here; the first side effect moves this to a service."""
        return serializer.save(account_id=current_account_id())


class UpdateMixin:
    def partial_update(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        instance = self.get_object()
        serializer = self.get_serializer(instance, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        with refused_by_database(self.model):
            self.perform_update(serializer)
        return Response(self.represent(instance.pk))

    def perform_update(self: Any, serializer: serializers.ModelSerializer) -> None:
        serializer.save()


class DestroyMixin(mixins.DestroyModelMixin):
    def destroy(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        instance = self.get_object()
        try:
            with refused_by_database(self.model):
                self.perform_destroy(instance)
        except (ProtectedError, RestrictedError) as error:
            raise InUse from error
        return Response(status=status.HTTP_204_NO_CONTENT)


class ResourceMixin(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """List, retrieve, create, PATCH and delete. There is no PUT."""

    http_method_names: ClassVar = ["get", "post", "patch", "delete", "head", "options"]


class refused_by_database(transaction.Atomic):
    """Run a write in a savepoint and say a refused constraint in words: 400 with the fields, or 409 ``in_use``."""

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(using=None, savepoint=True, durable=False)
        self.model = model

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        super().__exit__(exc_type, exc_value, traceback)
        if isinstance(exc_value, IntegrityError):
            translated = explain_refusal(self.model, exc_value)
            if translated is not None:
                raise translated from exc_value


def explain_refusal(model: type[models.Model], error: IntegrityError) -> Exception | None:
    """The domain error for a broken constraint of ``model`` (or of the rows below it), None when it is not known."""
    name = constraint_name(error)
    candidates = [model, *(relation.related_model for relation in model._meta.related_objects)]
    for candidate in candidates:
        for constraint in candidate._meta.constraints:
            if constraint.name != name:
                continue
            if isinstance(constraint, SameAccount):
                if candidate is not model and getattr(error.__cause__, "sqlstate", "") == "23503":
                    return InUse()
                return Invalid(fields={constraint.field: ["Invalid pk - object does not exist."]})
            if isinstance(constraint, UniqueConstraint):
                fields = [f for f in _columns_of(constraint) if f != "account"] or [api_settings.NON_FIELD_ERRORS_KEY]
                message = constraint.violation_error_message
                text = message if message != constraint.default_violation_error_message else "This value is already used."
                return Invalid(fields={f: [str(text)] for f in fields})
            if isinstance(constraint, CheckConstraint):
                return Invalid(str(constraint.get_violation_error_message()))
    return InUse() if getattr(error.__cause__, "sqlstate", "") == "23503" else None


def _columns_of(constraint: UniqueConstraint) -> list[str]:
    """The columns a unique constraint is about, those inside expressions (``Lower("email")``) included."""
    parts = [part for e in constraint.expressions for part in (e.flatten() if hasattr(e, "flatten") else [e])]
    return [*constraint.fields, *(part.name for part in parts if isinstance(part, models.F))]  # type: ignore[attr-defined]  # stubs


__all__ = ["CreateMixin", "DestroyMixin", "Door", "ListMixin", "ResourceMixin", "RetrieveMixin", "UpdateMixin"]
