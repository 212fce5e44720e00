"""What may be said about oneself at sign-up, beside e-mail and password. All of it is optional."""

import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from phonenumber_field.formfields import PhoneNumberField

from apps.location.models import Country
from apps.users.models import Customer, User
from apps.users.selectors import customer_with_code


class TextField(forms.CharField):
    """Text and nothing else: the headless API hands over JSON values as they are."""

    def to_python(self, value: Any) -> str | None:
        if value is not None and not isinstance(value, str):
            raise ValidationError("Not a valid string.", code="invalid")
        return super().to_python(value)


def is_one_line(text: str) -> None:
    """Names go into headers of mails, as at every other door."""
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise ValidationError("Control characters are not allowed.", code="invalid")


class PhoneField(PhoneNumberField):
    def to_python(self, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            raise ValidationError("Enter a valid phone number.", code="invalid")
        return super().to_python(value)


class SignupForm(forms.Form):
    """Extends allauth's sign-up (ACCOUNT_SIGNUP_FORM_CLASS); the adapter turns it into User and Customer."""

    full_name = TextField(required=False, max_length=255, validators=[is_one_line])
    phone_number = PhoneField(required=False)
    country = TextField(required=False, max_length=2)
    referral_code = TextField(required=False, max_length=16)

    def clean_phone_number(self) -> Any:
        number = self.cleaned_data["phone_number"] or None
        if number is not None and Customer.objects.filter(phone_number=number).exists():
            raise ValidationError("This phone number belongs to somebody else.", code="unique")
        return number

    def clean_country(self) -> Country | None:
        code = self.cleaned_data["country"]
        found = Country.objects.filter(code=code).first() if code else None
        if code and found is None:
            raise ValidationError(f'Invalid pk "{code}" - object does not exist.', code="does_not_exist")
        return found

    def clean_referral_code(self) -> Customer | None:
        code = self.cleaned_data["referral_code"]
        found = customer_with_code(code) if code else None
        if code and found is None:
            raise ValidationError("There is no such referral code.", code="does_not_exist")
        return found

    def signup(self, request: HttpRequest, user: User) -> None:
        """allauth asks for this hook; the adapter has saved everything already."""
