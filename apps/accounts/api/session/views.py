from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import SessionDoor
from apps.accounts.api.session.serializers import (
    AcceptInvitationSerializer,
    AccountSerializer,
    ClaimedSerializer,
    ClaimInput,
    MeSerializer,
    MyLoginSerializer,
    MyMembershipSerializer,
    NewAccountSerializer,
    NewTokenSerializer,
    SignInSerializer,
    TokenListSerializer,
    TokenSerializer,
)
from apps.accounts.api.session.sign_in import sign_in
from apps.accounts.models import Account, ApiToken, Membership
from apps.accounts.selectors import memberships_of
from apps.accounts.services.accounts import create_account
from apps.accounts.services.invitations import accept_invitation
from apps.accounts.services.tokens import issue_token, revoke_token
from apps.core.api import reading
from apps.core.api.listing import one_page
from apps.core.errors import NotFound
from apps.users.models import User
from apps.users.services import claim_login, update_login


def caller(request: Request) -> User:
    """The user, whom the door has let in."""
    return cast(User, request.user)


class TokenViewSet(SessionDoor):
    """Tokens for ``Authorization: Token …``: sign in, see one's own, end one."""

    model = ApiToken
    serializer_class = TokenSerializer

    def perform_authentication(self, request: Request) -> None:
        """Whoever signs in is nobody yet; an old token in the header does not get in the way."""
        if self.action != "create":
            super().perform_authentication(request)

    def may(self, request: Request) -> bool:
        return self.action == "create" or super().may(request)

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.request.user.pk).order_by("-created", "public_id")

    @extend_schema(responses=TokenListSerializer)
    def list(self, request: Request) -> Response:
        results = reading.represent(TokenSerializer, self.get_queryset())
        return Response(one_page(results))

    @extend_schema(request=SignInSerializer, responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        data = self.validated(SignInSerializer, request)
        user = sign_in(request._request, email=data["email"], password=data["password"], mfa_code=data.get("mfa_code"))
        token, text = issue_token(user=user, label=data["label"])
        body = {"id": token.public_id, "token": text, "expires_at": token.expiry}
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    def destroy(self, request: Request, pk: str) -> Response:
        public_id = ApiToken._meta.get_field("public_id")
        try:
            wanted = public_id.to_python(pk)
        except Exception as error:
            raise NotFound from error
        revoke_token(user=caller(request), public_id=wanted)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ClaimView(SessionDoor):
    """Taking over a login that a business has made for you."""

    model = User
    serializer_class = ClaimedSerializer

    def perform_authentication(self, request: Request) -> None:
        """Whoever claims a login is nobody yet; an old token in the header does not get in the way."""

    def may(self, request: Request) -> bool:
        return True

    @extend_schema(request=ClaimInput, responses=ClaimedSerializer)
    def create(self, request: Request) -> Response:
        """Choose the password of a login, with the key of the mail `<frontend>/claim/<key>`.

        Its e-mail address counts as verified from now on: sign in at `auth/tokens/`. 400 when the password is too weak, 409
        `claim_expired` when the key was used, is older than 14 days or was never ours; then reset the password by e-mail, as anybody.
        """
        user = claim_login(**self.validated(ClaimInput, request))
        return Response({"email": user.email}, headers={"Cache-Control": "no-store"})


class MeView(SessionDoor):
    """Who is signed in."""

    model = User
    serializer_class = MeSerializer

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(pk=self.request.user.pk)

    def retrieve(self, request: Request) -> Response:
        user = caller(request)
        customer = getattr(user, "customer", None)
        return Response(
            {
                "id": user.pk,
                "email": user.email,
                "language": user.language,
                "timezone": user.timezone,
                "customer": customer and _customer(customer),
                "memberships": [_membership(membership) for membership in memberships_of(user.pk)],
            }
        )

    @extend_schema(request=MyLoginSerializer, responses=MeSerializer)
    def partial_update(self, request: Request) -> Response:
        """Choose the language and the time zone in which messages are written."""
        update_login(user=caller(request), **self.validated(MyLoginSerializer, request))
        return self.retrieve(request)


def _customer(customer: Any) -> dict[str, Any]:
    return {
        "id": customer.pk,
        "full_name": customer.full_name,
        "phone_number": customer.phone_number.as_e164 if customer.phone_number else None,
        "country": customer.country_id,
        "is_verified": customer.is_verified,
    }


def _membership(membership: Membership) -> dict[str, Any]:
    account = membership.account
    shown = {name: getattr(account, name) for name in ("id", "slug", "name", "timezone", "currency")}
    return {"account": shown, "role": membership.role}


class AccountsView(SessionDoor):
    """A new business."""

    model = Account
    serializer_class = AccountSerializer

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.none()

    @extend_schema(request=NewAccountSerializer, responses={201: AccountSerializer})
    def create(self, request: Request) -> Response:
        data = self.validated(NewAccountSerializer, request)
        account = create_account(owner=caller(request), **data)
        body = reading.represent(AccountSerializer, Account.objects.filter(pk=account.pk))[0]
        return Response(body, status=status.HTTP_201_CREATED)


class AcceptInvitationView(SessionDoor):
    """Becoming a member."""

    model = Membership
    serializer_class = MyMembershipSerializer

    @extend_schema(request=AcceptInvitationSerializer, responses={201: MyMembershipSerializer})
    def create(self, request: Request) -> Response:
        """Accept an invitation with its token."""
        data = self.validated(AcceptInvitationSerializer, request)
        membership = accept_invitation(user=caller(request), token=data["token"])
        return Response(_membership(membership), status=status.HTTP_201_CREATED)
