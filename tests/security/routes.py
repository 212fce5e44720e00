"""Every API route, found by walking the URL resolver: tests are generated over it, so a new route is covered or fails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import models
from django.test.client import MULTIPART_CONTENT
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.relations import ManyRelatedField, RelatedField

from apps.checkout.api.public.serializers import token_of
from apps.clients.models import Client
from apps.core.api.doors import Door
from apps.core.api.fields import ShapedField
from apps.core.api.schema import AutoSchema
from apps.payments.models import Payment
from apps.sites.models import Site
from factories.feeds import feed_token
from tests.security.worlds import World, is_historical, tenant_models

# Views that are not doors, by path: the documentation of the API itself, and the address of payment providers, whose signature on the
# raw body is their proof (tests/payments/api/test_webhooks.py).
NOT_DOORS = frozenset({"/api/schema/", "/api/docs/", "/api/webhooks/{provider}/{slug}/"})
NO_BODY = frozenset({"get", "delete"})
# Routes whose path does not carry the primary key of their model.
LOOKUPS: dict[str, str] = {
    "token": "public_id",
    "public-blog-post": "slug",
    "public-blog-comment": "post.slug",
    "public-blog-like": "post.slug",
    "site": "site_id",
    "site-owner": "site.site_id",
    "customer-site": "site.site_id",
    "customer-site-transfer": "site.site_id",
}
# Models that bodies name by something else than their primary key.
NAMED_BY: dict[type[models.Model], str] = {Site: "site_id"}


def named(row: models.Model) -> Any:
    """What stands for a row in a body."""
    found = getattr(row, NAMED_BY.get(type(row), "pk"))
    return str(found) if isinstance(found, UUID) else found


@dataclass(frozen=True)
class Route:
    """One address with its view and what each method does there."""

    path: str
    view: type[Door]
    actions: tuple[tuple[str, str], ...]
    basename: str
    content_type: str = "application/json"  # of bodies: a form where a file is sent

    def __str__(self) -> str:
        return self.path

    @property
    def arguments(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def url(self, **values: Any) -> str:
        return self.path.format(**values)

    @property
    def names_a_row(self) -> bool:
        """Whether a row is named beside the account that the public door has in its address."""
        return bool(set(self.arguments) - {"slug"})

    def row_of(self, world: World) -> dict[str, str]:
        """What stands for the world's row in this route's path."""
        if "token" in self.arguments:
            return {"token": token_of(world.account.pk, world.of(Payment).pk)}
        if "secret" in self.arguments:
            return {"secret": feed_token(world.of(Client).pk)}
        return self.named_by(world.of(self.view.model))

    def named_by(self, row: models.Model) -> dict[str, str]:
        """What stands for a row of the view's model in this route's path: its key, and with an owner of a site their customer's, too."""
        paths = {"pk": LOOKUPS.get(self.basename, "pk"), "customer": "customer_id"}
        return {name: str(attrgetter(paths[name])(row)) for name in self.arguments if name != "slug"}

    def at(self, world: World, **row: str) -> str:
        """This address at the world's account, for its own row unless another is given."""
        place = {"slug": world.account.slug} if "slug" in self.arguments else {}
        return self.url(**place, **(row or (self.row_of(world) if self.names_a_row else {})))


def _template(pattern: Any) -> str:
    text = str(pattern)
    text = re.sub(r"\(\?P<(\w+)>[^()]*(?:\([^()]*\)[^()]*)*\)", r"{\1}", text)
    text = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", text)
    return text.removeprefix("^").removesuffix("$").removesuffix(r"\Z").replace(r"\.", ".")


def all_patterns(resolver: Any = None, prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    """(path template, pattern) of every address under a resolver."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + _template(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from all_patterns(entry, path)
        else:
            yield path, entry


@cache
def routes() -> tuple[Route, ...]:
    """All doors, in the order of their addresses."""
    found = []
    for path, entry in all_patterns():
        view = getattr(entry.callback, "cls", None)
        if isinstance(view, type) and issubclass(view, Door):
            actions = tuple(sorted(entry.callback.actions.items()))
            actions = tuple((method, action) for method, action in actions if method in view.http_method_names and method != "head")
            parsers = entry.callback.initkwargs.get("parser_classes") or view.parser_classes
            content_type = MULTIPART_CONTENT if any(issubclass(parser, MultiPartParser) for parser in parsers) else "application/json"
            found.append(Route(path, view, actions, entry.callback.initkwargs.get("basename") or "", content_type))
    return tuple(sorted(found, key=lambda route: route.path))


def calls(*, role: str | None = None) -> list[tuple[Route, str, str]]:
    """(route, method, action), of one role or of all."""
    return [(route, method, action) for route in routes() for method, action in route.actions if role in (None, route.view.role)]


def call_id(value: Any) -> str | None:
    """Names of generated tests."""
    return str(value) if isinstance(value, Route | str) else None


def _openapi(route: Route, method: str, action: str) -> Any:
    """The object that describes one call for OpenAPI, with what ``extend_schema`` says about it."""
    view = route.view(basename=route.basename)
    view.action, view.args, view.kwargs, view.format_kwarg, view.swagger_fake_view = action, (), {}, None, True
    view.request = None
    schema = getattr(getattr(view, action), "kwargs", {}).get("schema", AutoSchema)()
    schema.view, schema.method, schema.path, schema.path_regex = view, method.upper(), route.path, route.path
    return schema


def input_serializer(route: Route, method: str, action: str) -> Any:
    """The serializer of a call's body, as OpenAPI has it; None for calls without a body."""
    if method in NO_BODY:
        return None
    serializer = _openapi(route, method, action).get_request_serializer()
    if isinstance(serializer, type):
        serializer = serializer()
    assert isinstance(serializer, serializers.BaseSerializer), f"{method} {route} declares no input serializer"
    return serializer


def query_parameters(route: Route, action: str) -> set[str]:
    """Names that a GET takes in its query."""
    declared = _openapi(route, "get", action).get_override_parameters()
    return {p.name for p in declared if p.location == "query"} | set(_filters(route))


def _filters(route: Route) -> dict[str, Any]:
    filterset = route.view.filterset_class
    return dict(filterset.base_filters) if filterset else {}


def related_inputs(serializer: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], type[models.Model]]]:
    """(path, model) of every writable reference in an input serializer, nested ones included; 0 stands for a list."""
    if isinstance(serializer, ShapedField):
        inner = serializer.schema
        yield from related_inputs(inner, at)
    elif isinstance(serializer, serializers.ListSerializer):
        yield from related_inputs(serializer.child, (*at, 0))
    elif isinstance(serializer, serializers.Serializer):
        for name, declared in serializer.fields.items():
            if not declared.read_only:
                yield from related_inputs(declared, (*at, name))
    elif isinstance(serializer, ManyRelatedField):
        yield from related_inputs(serializer.child_relation, (*at, 0))
    elif isinstance(serializer, RelatedField):
        yield at, serializer.get_queryset.__self__.queryset.model


def body_with(path: tuple[Any, ...], value: Any) -> Any:
    """A JSON body that holds nothing but ``value`` at ``path``."""
    for key in reversed(path):
        value = [value] if key == 0 else {key: value}
    return value


def related_filters(route: Route, action: str) -> Iterator[tuple[str, type[models.Model]]]:
    """(query parameter, model) of everything in a GET's query that is an id."""
    by_name = {m._meta.model_name: m for m in tenant_models() if not is_historical(m)}
    for name in sorted(query_parameters(route, action)):
        declared = _filters(route).get(name)
        target = _relation(route.view.model, declared.field_name) if declared is not None else None
        model = target or by_name.get(name)
        if model is not None:
            yield name, model


def _relation(model: type[models.Model], path: str | None) -> type[models.Model] | None:
    found: Any = None
    for part in (path or "").split("__"):
        part = part.removesuffix("_id")
        field = next((f for f in model._meta.get_fields() if f.name == part), None)
        found = getattr(field, "related_model", None)
        if found is None:
            return None
        model = found
    return found
