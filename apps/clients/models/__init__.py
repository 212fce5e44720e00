"""The people a business deals with, and what it keeps about them."""

from apps.clients.models.access import GuestAccess
from apps.clients.models.blocking import BlockedContact
from apps.clients.models.care import ClientConsent, ClientNote, ClientTask
from apps.clients.models.client import Client, ClientQuerySet
from apps.clients.models.fields import CustomField
from apps.clients.models.imports import ClientExport, ClientImport, ClientImportRow
from apps.clients.models.merge import ClientMerge
from apps.clients.models.segments import Segment
from apps.clients.models.subjects import Erasure, SubjectExport

__all__ = [
    "BlockedContact",
    "Client",
    "ClientConsent",
    "ClientExport",
    "ClientImport",
    "ClientImportRow",
    "ClientMerge",
    "ClientNote",
    "ClientQuerySet",
    "ClientTask",
    "CustomField",
    "Erasure",
    "GuestAccess",
    "Segment",
    "SubjectExport",
]
