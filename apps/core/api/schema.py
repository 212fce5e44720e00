"""OpenAPI: what drf-spectacular cannot know by itself about our doors."""

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema as BaseAutoSchema
from drf_spectacular.plumbing import build_basic_type, force_instance
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from apps.core.api.fields import WALL_TIME, ShapedField
from apps.core.api.listing import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, FilterSet
from apps.core.api.reading import Computed, FromChildren

ERRORS = {
    "400": "`validation_error`, `unknown_field` (`fields` says where) or `malformed_json`; further codes are in the description.",
    "401": "`not_authenticated`",
    "403": "`permission_denied`: the role does not include it.",
    "404": "`not_found`: missing and foreign look the same.",
    "409": "What is there does not allow it; the codes are in the description.",
    "412": "`stale_version`: somebody was faster; `version` is the current one.",
    "413": "`payload_too_large`",
    "415": "`unsupported_media_type`",
    "422": "`idempotency_conflict`: the Idempotency-Key was used for another request.",
    "429": "`rate_limited`; see Retry-After.",
    "503": "Not just now, and nothing was kept; the codes are in the description. See Retry-After.",
}
SUMMARIES = {
    "list": "List {many}",
    "retrieve": "Read one of {many}",
    "create": "Add to {many}",
    "partial_update": "Change one of {many}",
    "destroy": "Delete one of {many}",
}
FILTER_TYPES: dict[str, Any] = {
    "FlagFilter": bool,
    "InstantFilter": OpenApiTypes.DATETIME,
    "DayFilter": OpenApiTypes.DATE,
    "ScopedChoiceFilter": int,
}


class ErrorSerializer(serializers.Serializer):
    """The one error shape. Some codes add keys of their own, for example ``alternatives`` with ``slot_taken``."""

    error = serializers.CharField(help_text="Stable code; the list is in docs/errors.md.")
    message = serializers.CharField(help_text="For a person.")
    fields_ = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), required=False)
    request_id = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        fields["fields"] = fields.pop("fields_")
        return fields


def _of_pages(orderings: Iterable[str], default: str) -> list[OpenApiParameter]:
    """What every list takes."""
    values = [value for name in sorted(orderings) for value in (name, f"-{name}")]
    return [
        OpenApiParameter("cursor", str, description="Place in the list, taken from `next` or `previous`."),
        OpenApiParameter("page_size", int, description=f"Rows per page, 1 to {MAX_PAGE_SIZE}; {DEFAULT_PAGE_SIZE} by default."),
        OpenApiParameter("ordering", str, enum=values, description=f"Default `{default}`."),
    ]


def _of_filters(filterset: type[FilterSet]) -> list[OpenApiParameter]:
    parameters = []
    for name, declared in filterset.base_filters.items():
        kind = FILTER_TYPES.get(type(declared).__name__, str)
        choices = declared.extra.get("choices")
        enum = [c[0] for c in choices] if choices and not callable(choices) else None
        parameters.append(OpenApiParameter(name, kind, enum=enum, description=str(declared.extra.get("help_text", ""))))
    return parameters


@cache
def page_serializer(row: type[serializers.Serializer]) -> type[serializers.Serializer]:
    """{next, previous, results} of these rows."""
    link: dict[str, Any] = {"read_only": True, "allow_null": True}
    rows = {"next": serializers.URLField(**link), "previous": serializers.URLField(**link), "results": row(many=True, read_only=True)}
    return type(f"{row.__name__.removesuffix('Serializer')}PageSerializer", (serializers.Serializer,), rows)


def paged(
    row: type[serializers.Serializer],
    *,
    filterset_class: type[FilterSet] | None = None,
    orderings: Collection[str] = ("id",),
    default_ordering: str = "-id",
) -> Any:
    """``extend_schema`` for a GET that answers with ``listing.page_of``, with the same options."""
    parameters = _of_pages(orderings, default_ordering) + (_of_filters(filterset_class) if filterset_class else [])
    return extend_schema(responses=page_serializer(row), parameters=parameters)


def on_one_page(row: type[serializers.Serializer], parameters: Collection[OpenApiParameter] = ()) -> Any:
    """``extend_schema`` for a GET that answers with ``listing.one_page``: `next` and `previous` are always null."""
    return extend_schema(responses=page_serializer(row), parameters=list(parameters))


class AutoSchema(BaseAutoSchema):
    """Pages, query parameters, the idempotency header and our errors, from what the door declares."""

    view: Any

    def get_auth(self) -> Any:
        """Nobody has to sign in at the public door; whoever sends a token there is answered as themselves.

        A guest's token is for the views of the customer door that say so.
        """
        auth = [one for one in super().get_auth() if one and ("guest" not in one or getattr(self.view, "guests", False))]
        return [{}, *auth] if self.view.role == "public" else auth

    def _is_list(self) -> bool:
        return getattr(self.view, "action", None) == "list" and hasattr(self.view, "listing")

    def get_override_parameters(self) -> list[Any]:
        parameters = super().get_override_parameters()
        view = self.view
        if self._is_list():
            parameters += _of_pages({"id": "", **view.orderings}, view.default_ordering)
            if view.search_fields:
                parameters.append(OpenApiParameter("search", str, description=f"Words looked for in {', '.join(view.search_fields)}."))
        if getattr(view, "action", None) in getattr(view, "idempotent", ()):
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    str,
                    OpenApiParameter.HEADER,
                    description="Repeating the request with the same key within 24 hours repeats the answer instead of the work.",
                )
            )
        if self._takes_version():
            parameters.append(
                OpenApiParameter(
                    "If-Match", str, OpenApiParameter.HEADER, description="The ETag that was seen last; the same as `version` in the body."
                )
            )
        if getattr(view, "role", "") == "staff":
            parameters.append(
                OpenApiParameter(
                    "X-Account", str, OpenApiParameter.HEADER, description="Slug of the account; needed by users of several accounts."
                )
            )
        return parameters

    def get_summary(self) -> str:
        """The first clause of the action's docstring; without one, what the action is called."""
        action = getattr(self.view, "action", None) or str(self.method).lower()
        own = getattr(getattr(type(self.view), action, None), "__doc__", None)
        if own:
            return re.split(r"[.:;](?:\s|$)|\n\s*\n", " ".join(own.split("\n\n")[0].split()), maxsplit=1)[0]
        resource = self.path.strip("/").split("/{")[0].split("/")[-1].replace("-", " ")
        summary = SUMMARIES.get(action, action.replace("_", " ").capitalize() + " {many}")
        if "{" not in self.path and action in ("retrieve", "partial_update", "destroy"):  # there is only one
            summary = summary.replace(" one of", "")
        return summary.format(many=resource)

    def _takes_version(self) -> bool:
        """Whether the action compares versions: its input has ``version``, and so it reads ``If-Match``, too."""
        serializer = self.get_request_serializer() if self.method == "POST" else None
        return "version" in getattr(force_instance(serializer), "fields", {})

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        if isinstance(field, serializers.ChoiceField) and field.read_only and _may_be_blank(field):
            field.allow_blank = True  # DRF does not keep this of fields that are only shown
        return super()._map_serializer_field(field, direction, bypass_extensions)

    def get_filter_backends(self) -> list[Any]:
        return []

    def _get_filter_parameters(self) -> list[Any]:
        parameters: list[Any] = []
        filterset = getattr(self.view, "filterset_class", None)
        if self._is_list() and filterset:
            parameters = [self._process_parameter(one) for one in _of_filters(filterset)]
        return parameters

    def _process_parameter(self, parameter: OpenApiParameter) -> dict[str, Any]:
        basic: Any = parameter.type
        schema = dict(build_basic_type(basic) or {})
        if parameter.enum:
            schema["enum"] = list(parameter.enum)
        return {"in": parameter.location, "name": parameter.name, "schema": schema, "description": parameter.description}

    def _get_response_for_code(self, serializer: Any, status_code: str, *args: Any, **kwargs: Any) -> Any:
        response = super()._get_response_for_code(serializer, status_code, *args, **kwargs)
        if self._is_list() and status_code == "200" and response.get("content"):
            for media in response["content"].values():
                rows = media["schema"]
                if rows.get("type") == "array":
                    media["schema"] = {
                        "type": "object",
                        "required": ["next", "previous", "results"],
                        "properties": {
                            "next": {"type": ["string", "null"], "format": "uri"},
                            "previous": {"type": ["string", "null"], "format": "uri"},
                            "results": rows,
                        },
                    }
        elif (
            getattr(self.view, "action", None) == "list" and status_code == "200" and not isinstance(serializer, serializers.ListSerializer)
        ):
            for media in response.get("content", {}).values():  # one object that is no page, such as the slots
                media["schema"] = media["schema"].get("items", media["schema"])
        return response

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        """Our errors beside what the view declares."""
        responses = super()._get_response_bodies(direction)
        codes = ["400", "401", "429"]
        if self.view.role != "public":
            codes += ["403"]
        if "{" in self.path:
            codes.append("404")
        if self.method != "GET":
            codes += ["409", "413"]
            codes += ["422"] if getattr(self.view, "action", None) in self.view.idempotent else []
            codes += ["412"] if self._takes_version() else []
            codes += ["415"] if self.method in ("POST", "PATCH") else []
        codes += [code for code in ("409", "503") if code not in codes and f"{code} `" in self.get_description()]
        errors = {code: self._get_response_for_code(ErrorSerializer, code) for code in codes if code not in responses}
        return {**responses, **{code: {**response, "description": ERRORS[code]} for code, response in errors.items()}}


def _may_be_blank(field: Any) -> bool:
    """Whether the column behind a field of a resource may hold the empty string."""
    model = getattr(getattr(field.parent, "Meta", None), "model", None)
    if model is None or "." in field.source:
        return False
    column = next((one for one in model._meta.get_fields() if one.name == field.source), None)
    return bool(getattr(column, "blank", False)) and not getattr(column, "null", False)


class _Declared(OpenApiSerializerFieldExtension):
    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return auto_schema._map_serializer_field(self.target.schema, direction)


class ComputedExtension(_Declared):
    target_class = Computed


class FromChildrenExtension(_Declared):
    target_class = FromChildren


class ShapedFieldExtension(_Declared):
    target_class = ShapedField


class WallTimeExtension(OpenApiSerializerFieldExtension):
    """HH:MM, where OpenAPI's ``format: time`` would mean a time with seconds and an offset."""

    target_class = "apps.core.api.fields.WallTimeField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{WALL_TIME.pattern}$", "examples": ["09:00"]}


class TokenScheme(OpenApiAuthenticationExtension):
    """``Authorization: Token …``"""

    target_class = "apps.accounts.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        description = "A token from POST /api/auth/tokens/ or from sign-up, sent as `Token <token>`."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": description}


class GuestScheme(OpenApiAuthenticationExtension):
    """``Authorization: Guest …``"""

    target_class = "apps.clients.api.authentication.GuestAuthentication"
    name = "guest"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        description = (
            "A token from POST /api/public/{slug}/access-links/open/, sent as `Guest <token>`. It opens a part of `/api/customer/`; "
            "everywhere else it is answered with 403."
        )
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": description}
