"""Pages of docs/ that are made from code. Each app registers its own; ``manage.py docs`` writes or checks them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from django.conf import settings

from apps.core.doctor import invariants
from apps.core.errors import all_error_types
from apps.core.events import ANY, event_types

Page = Callable[[], str]

_pages: dict[str, Page] = {}
FOOTER = "\nMade by `manage.py docs`; do not edit.\n"


def page(name: str) -> Callable[[Page], Page]:
    """Register a function that returns the Markdown of docs/<name>."""

    def register(make: Page) -> Page:
        _pages[name] = make
        return make

    return register


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def outdated() -> dict[Path, str]:
    """The pages whose file differs from what the code says now, with their right content."""
    found = {}
    for name, make in sorted(_pages.items()):
        path = Path(settings.BASE_DIR) / "docs" / name
        content = make() + FOOTER
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            found[path] = content
    return found


@page("errors.md")
def errors_page() -> str:
    """Every stable code."""
    intro = (
        "# Error codes\n\n"
        'Every error has one shape: `{"error", "message", "fields"?, "request_id", …}`. `error` is stable, `message` is for a person.\n\n'
    )
    from_framework = [
        ("`bad_request`", "400", "Refused before anything was read, for example an unknown Host."),
        ("`malformed_json`", "400", "The body is not JSON, or nested too deep."),
        ("`not_authenticated`", "401", "No token, or one that is not valid."),
        ("`method_not_allowed`", "405", "The address does not know this method."),
        ("`not_acceptable`", "406", "Only JSON is spoken here."),
        ("`unsupported_media_type`", "415", "Send application/json."),
        ("`rate_limited`", "429", "Too many requests; see Retry-After."),
        ("`server_error`", "500", "Our fault; quote the request_id."),
    ]
    own = [
        (f"`{e.code}`", str(e.status), " ".join((e.__doc__ or "").split())) for e in all_error_types() if e.__module__.startswith("apps.")
    ]
    by_code = {row[0]: row for row in [*own, *from_framework]}
    return intro + table(("code", "status", "meaning"), [by_code[code] for code in sorted(by_code)])


@page("invariants.md")
def invariants_page() -> str:
    """Every invariant."""
    rows = [(one.code, one.says) for one in invariants()]
    return "# Invariants\n\n`manage.py doctor` runs the query of each; a sound database gives no rows.\n\n" + table(("code", "says"), rows)


@page("events.md")
def events_page() -> str:
    """Every event type, by subject."""
    intro = (
        "# Events\n\n"
        "Everything that happens is one row of the account's log: `GET /api/events/?after=<sequence>` replays it, a client's timeline shows\n"
        "what is about them, webhooks send it. `changes` is `{key: [before, after]}`; the keys an event may carry stand beside it. Those\n"
        "marked *own log* never leave through a webhook.\n"
    )
    parts = [intro]
    for subject in sorted({one.subject for one in event_types()}):
        rows = [
            (
                f"`{one.name}`",
                one.says + ("" if one.public else " *Own log.*"),
                "any field" if ANY in one.changes else ", ".join(f"`{key}`" for key in one.changes),
            )
            for one in event_types()
            if one.subject == subject
        ]
        parts.append(f"\n## {subject}\n\n" + table(("type", "says", "changes"), rows))
    return "".join(parts)
