"""docs/settings.md and docs/roles.md."""

from apps.accounts.models import Role
from apps.accounts.policy import POLICY
from apps.accounts.settings_keys import KEYS
from apps.core.docs import page, table


@page("settings.md")
def settings_page() -> str:
    """Every key of account/settings/."""
    intro = "# Settings of an account\n\nGET and PATCH `/api/account/settings/`. Unknown keys are refused.\n\n"
    rows = [(f"`{key.name}`", type(key.default).__name__, f"`{key.default!r}`", key.help_text) for key in KEYS.values()]
    return intro + table(("key", "type", "default", "says"), sorted(rows))


@page("roles.md")
def roles_page() -> str:
    """The role policy as a table."""
    intro = "# Who may do what\n\nOne table in `apps/accounts/policy.py`; a route that is missing there is refused to everybody.\n\n"
    rows = [
        (f"`{resource}`", f"`{action}`", *("yes" if role in allowed else "" for role in Role))
        for resource, actions in sorted(POLICY.items())
        for action, allowed in actions.items()
    ]
    return intro + table(("resource", "action", *(str(role.value) for role in Role)), rows)
