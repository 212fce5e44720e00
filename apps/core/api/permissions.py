"""The one permission class. In a module of its own, because DRF imports it while its views are being imported."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class AllowRole(BasePermission):
    """Asks the door's own ``may``; nothing is allowed by default."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return view.may(request)
