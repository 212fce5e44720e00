"""The people a business deals with, and what it keeps about them."""

from apps.clients.models.client import Client, ClientQuerySet

__all__ = ["Client", "ClientQuerySet"]
