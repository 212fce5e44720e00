"""What the apps put into the businesses of the demo."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

furnishings: list[Callable[[Any, datetime], object]] = []
"""Called with an account, in its scope, and the moment of loading, before the business's first sale. Apps append to it when they start."""

follow_ups: list[Callable[[Any, datetime], object]] = []
"""The same, called after its last sale."""
