"""Countries: global reference data."""

from typing import ClassVar

from django.db import models


class Country(models.Model):
    """A country of ISO 3166-1 with its dialling code and the currency a business there would start with (ISO 4217)."""

    code = models.CharField(primary_key=True, max_length=2)
    name = models.CharField(max_length=100)
    dialing_code = models.CharField(max_length=6, blank=True)
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name_plural = "countries"

    def __str__(self) -> str:
        return self.name
