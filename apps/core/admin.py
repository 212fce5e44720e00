"""The admin's kernel: pages that stay inside the scope which the site has opened (apps.accounts.admin_site).

Who may do what comes from the same role table as the API: an admin names its ``resource`` there. Everything that lists,
picks or filters rows goes through scoped managers, so that a row of another account does not exist here either; what the
database or a service refuses is shown as an error of the form, never as a server error.
"""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.forms import Form, ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from phonenumber_field.modelfields import PhoneNumberField
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.core.constraints import SameAccount
from apps.core.db import constraint_name, sqlstate
from apps.core.errors import DomainError, InUse
from apps.core.models import Event, IdempotencyKey, TenantModel, TimestampedModel
from apps.core.tenancy import current_account_id

REFUSALS = (IntegrityError, ProtectedError, RestrictedError, DomainError)
FOREIGN_KEY = "23503"


def explain(model: type[models.Model], error: Exception) -> ValidationError:
    """A refusal of a service or of the database, as what a form shows. ``model`` and the rows below it name the constraint."""
    if isinstance(error, DomainError):
        return ValidationError(error.fields) if error.fields else ValidationError(error.message)
    if isinstance(error, ProtectedError | RestrictedError):
        return ValidationError(InUse.default_message)
    name = constraint_name(error)
    for candidate in (model, *(relation.related_model for relation in model._meta.related_objects)):
        for constraint in candidate._meta.constraints:
            if constraint.name != name:
                continue
            if isinstance(constraint, SameAccount):
                missing = candidate is model
                return ValidationError({constraint.field: ["This does not exist."]} if missing else InUse.default_message)
            return ValidationError(constraint.get_violation_error_message())
    return ValidationError(InUse.default_message if sqlstate(error) == FOREIGN_KEY else "The database refused this.")


class RefusedForm(Form):
    """A form that shows what a service or the database has refused after it was valid."""

    refusal: ClassVar[ValidationError | None] = None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refusal is not None:
            found = getattr(self.refusal, "error_dict", {None: self.refusal})
            for field, errors in found.items():
                self.add_error(field if field in self.fields else None, errors)
        return cleaned


class ScopedForm(RefusedForm, ModelForm):
    """Sets the account of a new row, and checks constraints that include the account although no form shows it."""

    def _post_clean(self) -> None:
        if isinstance(self.instance, TenantModel) and self.instance.account_id is None:
            self.instance.account_id = current_account_id()
        super()._post_clean()  # type: ignore[misc]

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"account"}  # type: ignore[misc]


class ByRole:
    """Permissions out of the role policy: ``resource`` is a basename there, None is for superusers alone.

    Rows of a tenant are written inside one account only; the view over all accounts reads.
    """

    resource: ClassVar[str | None] = None
    writes: ClassVar[frozenset[str]] = frozenset({"create", "partial_update", "destroy"})
    admin_site: Any
    model: Any
    fields: Any

    def may(self, request: HttpRequest, action: str) -> bool:
        if action != "retrieve" and (action not in self.writes or not self._writable_here()):
            return False
        return self.admin_site.may(request, self.resource, action)

    def _writable_here(self) -> bool:
        return not issubclass(self.model, TenantModel) or current_account_id() is not None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "retrieve")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "create")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "partial_update")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "destroy")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "retrieve")

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(super().get_exclude(request, obj) or ()), "account"]  # type: ignore[misc]

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Every reference to a model that can be searched here: a drop-down would load a whole table."""
        return [field.name for field in _references(self.model) if getattr(self._admin_of(field), "search_fields", None)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """References that this member may not look through (people are picked as clients) can be seen but not set."""
        fixed = [field.name for field in _references(self.model) if not self._may_pick(request, field)]
        fixed += [field.name for field in self.model._meta.concrete_fields if not field.editable and field.name in (self.fields or ())]
        excluded = self.get_exclude(request, obj)
        declared = super().get_readonly_fields(request, obj)  # type: ignore[misc]
        return tuple(dict.fromkeys([*declared, *(name for name in fixed if name not in excluded)]))

    def _admin_of(self, field: models.Field) -> Any:
        return self.admin_site._registry.get(field.related_model)

    def _may_pick(self, request: HttpRequest, field: models.Field) -> bool:
        target = self._admin_of(field)
        return target is not None and target.has_view_permission(request)


def _references(model: type[models.Model]) -> list[models.Field]:
    return [field for field in model._meta.fields if field.many_to_one or field.one_to_one]


class ScopedInline(ByRole, TabularInline):
    """Rows below another one; ``resource`` is the one of the rows themselves or of their parent."""

    form = ScopedForm
    extra = 0
    hide_title = True
    select_related: ClassVar[tuple[str, ...]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        return rows.select_related(*self.select_related) if self.select_related else rows

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        parent = self.parent_model
        fixed = super().get_readonly_fields(request, obj)
        return tuple(name for name in fixed if not _points_at(self.model, name, parent))


def _points_at(model: type[models.Model], name: str, target: type[models.Model]) -> bool:
    return any(field.name == name and issubclass(target, field.related_model or ()) for field in _references(model))


class ReadOnlyInline(ScopedInline):
    """Rows that are shown below their parent and change somewhere else."""

    writes = frozenset()
    show_change_link = True


class ScopedAdmin(ByRole, ModelAdmin):
    """Base of every admin of ours. References in ``list_display`` and ``list_select_related`` are always joined."""

    form: ClassVar[Any] = ScopedForm
    list_select_related: ClassVar[Any] = ()
    list_filter: ClassVar[Any] = ()
    show_full_result_count = False
    compressed_fields = True
    warn_unsaved_form = True
    formfield_overrides: ClassVar[Any] = {PhoneNumberField: {"widget": UnfoldAdminTextInputWidget}}

    # -- what is shown

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        joined = self.get_list_select_related(request)
        return rows.select_related(*joined) if joined else rows

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        shown = self.get_list_display(request)
        joined = [field.name for field in _references(self.model) if field.name in shown]
        return tuple(dict.fromkeys([*joined, *self.list_select_related]))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Over all accounts each row says whose it is."""
        shown = tuple(super().get_list_display(request))
        over_all = issubclass(self.model, TenantModel) and current_account_id() is None
        return (*shown, "account") if over_all else shown

    # -- writing

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[ModelForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = getattr(request, "refusal", None)
        return form

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().changeform_view(request, object_id, form_url, extra_context)
        except REFUSALS as error:
            request.refusal = explain(self.model, error)  # type: ignore[attr-defined]
        # Again: now the form carries the refusal, is not valid, and shows what was typed.
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        names = {field.name for field in self.model._meta.concrete_fields} & set(form.changed_data if change else form.fields)
        values = {name: form.cleaned_data[name] for name in form.fields if name in names}
        if not change:
            self.insert(request, obj, values)
        elif values:
            self.update(request, obj, values)

    # Three hooks for models whose changes have consequences: they call the service.

    def insert(self, request: HttpRequest, row: Any, values: dict[str, Any]) -> None:
        """Store a new row; afterwards it has its primary key."""
        row.save()

    def update(self, request: HttpRequest, row: Any, values: dict[str, Any]) -> None:
        """Store what was changed, and only that; ``row`` carries the new values already."""
        stamp = ["updated_at"] if isinstance(row, TimestampedModel) else []
        row.save(update_fields=[*values, *stamp])

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Delete the row."""
        row.delete()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        connection.check_constraints()  # deferred keys speak now, while the form can still show what they say

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(request, obj)
        connection.check_constraints()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for row in queryset:
            self.remove(request, row)
        connection.check_constraints()

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        try:
            with transaction.atomic():
                response = super().delete_view(request, object_id, extra_context)
        except REFUSALS as error:
            self._say(request, error)
            return HttpResponseRedirect(reverse(self._url_name("change"), args=[object_id]))
        if request.method == "POST" and getattr(response, "context_data", {}).get("protected"):
            self.message_user(request, InUse.default_message, messages.ERROR)
        return response

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().changelist_view(request, extra_context)
        except REFUSALS as error:
            self._say(request, error)
            return HttpResponseRedirect(request.get_full_path())

    def _say(self, request: HttpRequest, error: Exception) -> None:
        self.message_user(request, " ".join(explain(self.model, error).messages), messages.ERROR)

    def _url_name(self, page: str) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"


class TenantAdmin(SimpleHistoryAdmin, ScopedAdmin):
    """Admin of a model with history. The history is for reading: going back is a change like any other, made in the form."""

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self._find(request, object_id)
        return super().history_view(request, object_id, extra_context)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method != "GET":
            raise PermissionDenied
        self._find(request, object_id)
        if not version_id.isdecimal() or len(version_id) > 18:
            raise Http404
        return super().history_form_view(request, object_id, version_id, extra_context)

    def get_history_queryset(self, request: HttpRequest, history_manager: Any, pk_name: str, object_id: Any) -> QuerySet:
        versions = super().get_history_queryset(request, history_manager, pk_name, object_id)
        account_id = current_account_id()
        return versions.filter(account_id=account_id) if account_id and issubclass(self.model, TenantModel) else versions

    def _find(self, request: HttpRequest, object_id: str) -> None:
        """404 for what is not in reach. Versions of a tenant's deleted rows are; global tables keep theirs with the row."""
        try:
            pk = self.model._meta.pk.to_python(unquote(object_id))
        except ValidationError as error:
            raise Http404 from error
        if not issubclass(self.model, TenantModel) and not self.get_queryset(request).filter(pk=pk).exists():
            raise Http404

    # Django's own log is one table for all accounts and repeats the rows' names; the history says more and stays inside.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None


class ReadOnlyAdmin(ScopedAdmin):
    """Rows that are written by the program and read by people."""

    writes = frozenset()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        excluded = self.get_exclude(request, obj)
        return tuple(field.name for field in self.model._meta.concrete_fields if field.name not in excluded)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """The log of the account: what happened, by whom and through which door."""

    resource = "event"
    list_display = ("created_at", "type", "subject_type", "subject_id", "actor_id", "source")
    list_filter = ("type", "source")
    search_fields = ("type", "subject_type", "=subject_id")
    date_hierarchy = "created_at"
    ordering = ("-id",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """First uses of Idempotency-Keys. The stored replies are other people's answers and are not shown."""

    list_display = ("created_at", "key", "actor_id", "status_code")
    exclude = ("response", "request_hash")
    search_fields = ("key",)
    ordering = ("-id",)
