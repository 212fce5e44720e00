"""Forms with a file: the one place where a body is not JSON."""

from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from apps.core.errors import Invalid


class FormParser(MultiPartParser):
    """multipart/form-data as a plain dict, each field once; a field that was left out is left out, as in JSON."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: dict[str, Any] | None = None) -> Any:
        try:
            form = super().parse(stream, media_type, parser_context)
        except RequestDataTooBig:
            raise
        except (ParseError, SuspiciousOperation) as error:  # no boundary, a broken part, a thousand fields
            raise Invalid("The form could not be read. Send multipart/form-data.") from error
        fields: dict[str, Any] = {}
        for name, values in [*form.data.lists(), *form.files.lists()]:
            if len(values) > 1 or name in fields:
                raise Invalid(fields={name: ["Send this field once."]})
            fields[name] = values[0]
        return fields


class AnyAnswer(DefaultContentNegotiation):
    """For downloads: the file is what it is, whatever the Accept header hopes for; errors stay JSON."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


__all__ = ["AnyAnswer", "FormParser"]
