"""Which column of a file is which field of a client, and what a row says then."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.clients.custom import checked, read_cell
from apps.clients.importing.reading import MAX_CELL, Line
from apps.clients.models import Client, CustomField
from apps.core.errors import Invalid

CUSTOM = "custom_fields."
NAME_PARTS = ("first_name", "last_name")
FIELDS = ("full_name", *NAME_PARTS, "email", "phone_number", "stage", "source", "tags", "tax_id", "billing_address")
MAX_TAGS, MAX_KEY = 50, 64

# Headers in English, German and Spanish, without accents and punctuation.
HEADERS: dict[str, tuple[str, ...]] = {
    "full_name": (
        *("name", "full name", "client", "client name", "customer", "customer name", "contact"),
        *("kunde", "kundenname", "vollstandiger name", "vor und nachname", "nombre completo", "cliente"),
    ),
    "first_name": ("first name", "firstname", "given name", "vorname", "nombre"),
    "last_name": ("last name", "lastname", "surname", "family name", "nachname", "familienname", "apellido", "apellidos"),
    "email": ("email", "e mail", "mail", "email address", "e mail address", "e mail adresse", "correo", "correo electronico"),
    "phone_number": (
        *("phone", "phone number", "mobile", "mobile phone", "cell", "telephone", "tel"),
        *("telefon", "telefonnummer", "handy", "mobil", "mobilnummer", "telefono", "movil", "celular"),
    ),
    "stage": ("stage", "status", "estado"),
    "source": ("source", "lead source", "quelle", "herkunft", "origen"),
    "tags": ("tags", "tag", "labels", "schlagworte", "schlagworter", "etiquetas", "groups", "gruppen"),
    "tax_id": ("tax id", "vat", "vat id", "vat number", "ust id", "ust idnr", "steuernummer", "nif", "cif"),
    "billing_address": ("billing address", "address", "rechnungsadresse", "adresse", "anschrift", "direccion"),
}
STAGES = {
    **{stage: stage for stage in Client.Stage.values},
    **{"interessent": "lead", "prospect": "lead", "aktiv": "active", "activo": "active", "customer": "active", "kunde": "active"},
    **{"inaktiv": "inactive", "inactivo": "inactive", "archiviert": "archived", "archivado": "archived"},
}


@dataclass(slots=True)
class Person:
    """What a row says about somebody: ``values`` are fields of Client, as they are stored; or why it says nothing."""

    line: int
    raw: list[str]
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def proposed_mapping(columns: Sequence[str], declared: Sequence[CustomField]) -> dict[str, str]:
    """{column: field} for the headers that we know, or that are a custom field's label or key; each field once."""
    known = {header: name for name, headers in HEADERS.items() for header in headers}
    known |= {_folded(name): f"{CUSTOM}{one.key}" for one in declared for name in (one.label, one.key)}
    found: dict[str, str] = {}
    for column in columns:
        target = known.get(_folded(column))
        if target is not None and target not in found.values() and column not in found:
            found[column] = target
    return found


def _folded(header: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", header.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", " ", plain).strip()


def checked_mapping(columns: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The mapping, of columns that there are to fields that there are, with a name among them. Raises Invalid."""
    wrong = []
    for column, target in mapping.items():
        if column not in columns:
            wrong.append(f"There is no column {column[:100]!r}.")
        elif target not in FIELDS and not (target.startswith(CUSTOM) and 0 < len(target) - len(CUSTOM) <= MAX_KEY):
            wrong.append(f"{target[:100]!r} is not a field: send one of {', '.join(FIELDS)}, or {CUSTOM}<key>.")
    targets = list(mapping.values())
    wrong += [f"{target} is named twice." for target in sorted(set(targets)) if targets.count(target) > 1]
    if not wrong and not {"full_name", *NAME_PARTS} & set(targets):
        wrong.append("Say which column is full_name, or first_name and last_name.")
    if wrong:
        raise Invalid(fields={"mapping": wrong[:20]})
    return dict(mapping)


class Reader:
    """Rows into people, by one mapping. ``country`` (ISO code) is where phone numbers without a country code are at home."""

    def __init__(self, *, columns: Sequence[str], mapping: Mapping[str, str], declared: Sequence[CustomField], country: str) -> None:
        self.declared = declared
        self.country = country
        self.by_key = {one.key: one for one in declared}
        self.places = [(columns.index(column), target) for column, target in mapping.items()]

    def person(self, line: Line) -> Person:
        """What a row says. Empty cells say nothing."""
        found = Person(line.number, line.cells)
        if line.problem:
            found.problems.append(line.problem)
            return found
        names: dict[str, str] = {}
        custom: dict[str, Any] = {}
        for place, target in self.places:
            text = line.cells[place] if place < len(line.cells) else ""
            if not text:
                continue
            if len(text) > MAX_CELL:
                found.problems.append(f"{target}: At most {MAX_CELL} characters.")
            elif target in NAME_PARTS:
                names[target] = text
            elif target.startswith(CUSTOM):
                key = target.removeprefix(CUSTOM)
                custom[key] = read_cell(self.by_key[key], text) if key in self.by_key else text
            else:
                self._read(found, target, text)
        if names and "full_name" not in found.values:
            self._read(found, "full_name", " ".join(names[part] for part in NAME_PARTS if part in names))
        if "full_name" not in found.values and not any(problem.startswith("full_name") for problem in found.problems):
            found.problems.append("full_name: This field is required.")
        self._read_custom(found, custom)
        return found

    def _read(self, found: Person, target: str, text: str) -> None:
        try:
            found.values[target] = READERS.get(target, _line)(text, self.country)
        except ValueError as error:
            found.problems.append(f"{target}: {error}")
            return
        longest = LONGEST.get(target)
        if longest is not None and len(found.values[target]) > longest:
            del found.values[target]
            found.problems.append(f"{target}: At most {longest} characters.")

    def _read_custom(self, found: Person, custom: dict[str, Any]) -> None:
        try:
            values = checked(custom, self.declared)
        except Invalid as error:
            found.problems += [f"{name}: {' '.join(texts)}" for name, texts in (error.fields or {}).items()]
        else:
            if values:
                found.values["custom_fields"] = values


def _line(text: str, country: str) -> str:
    return " ".join(text.split())


def _email(text: str, country: str) -> str:
    try:
        validate_email(text)
    except ValidationError as error:
        raise ValueError("Enter a valid email address.") from error
    return text


def _phone(text: str, country: str) -> str:
    """As it is stored, E.164. Numbers of 00 and without a country code are read as they are dialled at home."""
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("Enter a valid phone number.") from error
    if not phonenumbers.is_valid_number(number):
        raise ValueError("Enter a valid phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _stage(text: str, country: str) -> str:
    try:
        return STAGES[text.casefold()]
    except KeyError:
        raise ValueError(f"Send one of: {', '.join(Client.Stage.values)}.") from None


def _tags(text: str, country: str) -> list[str]:
    tags = list(dict.fromkeys(part.strip() for part in re.split(r"[,;|\n]", text) if part.strip()))
    if len(tags) > MAX_TAGS or any(len(tag) > 50 for tag in tags):
        raise ValueError(f"At most {MAX_TAGS} tags of 50 characters.")
    return tags


READERS: dict[str, Callable[[str, str], Any]] = {
    "email": _email,
    "phone_number": _phone,
    "stage": _stage,
    "tags": _tags,
    "billing_address": lambda text, country: text,
}
LONGEST = {"full_name": 255, "email": 254, "source": 50, "tax_id": 32, "billing_address": 500}
