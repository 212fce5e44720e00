from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """The folder of this test's documents; it does not exist yet."""
    options = {**django_settings.DOCUMENTS_STORAGE["OPTIONS"], "location": str(tmp_path / "documents")}
    settings.STORAGES = {**settings.STORAGES, "documents": {**django_settings.DOCUMENTS_STORAGE, "OPTIONS": options}}
    return tmp_path / "documents"
