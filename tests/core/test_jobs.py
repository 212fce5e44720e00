"""A worker knows every job that anything may queue."""

import json
import subprocess
import sys

from tests.core.test_migrations import ROOT

FOUND = """
import json, pkgutil, importlib, django
django.setup()
from apps.core import jobs
import apps
known = set(jobs.app.tasks)
for module in pkgutil.walk_packages(apps.__path__, "apps."):
    importlib.import_module(module.name)
print(json.dumps([sorted(known), sorted(jobs.app.tasks)]))
"""


def test_every_job_is_registered_once_the_apps_are_loaded(tmp_path):
    """In a process of its own: here, other tests have imported everything."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATA_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run([sys.executable, "-c", FOUND], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    at_start, in_all = json.loads(done.stdout)
    assert len(in_all) > 40
    assert sorted(set(in_all) - set(at_start)) == []
