"""The list of countries, from the file beside this module."""

import csv
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("countries.csv")


def load_countries(country_model: Any) -> int:
    """Insert the countries that are missing; returns how many the file holds. Running it again changes nothing."""
    with SOURCE.open(encoding="utf-8", newline="") as file:
        countries = [country_model(**row) for row in csv.DictReader(file)]
    country_model.objects.bulk_create(countries, ignore_conflicts=True)
    return len(countries)
