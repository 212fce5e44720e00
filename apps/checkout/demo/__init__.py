"""The demo: two invented businesses, loaded by the same functions that serve real ones, and the processes around them.

businesses.py says what they are; loading.py opens them; trading.py sells, books and collects over the past months and the
next weeks; credentials.py makes the file that tells a reader how to get in; processes.py runs server and worker.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

furnishings: list[Callable[[Any, datetime], object]] = []
"""What apps above this one put into a business before its first sale: called with the account, in its scope, and the moment of loading.
They append to it when they start."""
