"""What data fixes say."""

from apps.core.events import declare

declare(
    "packages.package",
    {"package.moved": ("It was moved to the account that it belongs to (said in both).", ("account",))},
    public=False,
)
