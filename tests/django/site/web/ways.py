"""The site as its programs use it: tokens of each package, and who they say that a request is."""

import json
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.http import JsonResponse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.views.decorators.csrf import csrf_exempt
from knox.auth import TokenAuthentication as KnoxAuthentication
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from rest_framework.authentication import TokenAuthentication
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication


class NoCsrfMiddleware:
    """The tests' browsers send no form's token. What the packages do about a request is not changed by that."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request._dont_enforce_csrf_checks = True
        return self.get_response(request)


class DrfAuthentication(TokenAuthentication):
    keyword = "Drf"


class KnoxNamed(KnoxAuthentication):
    def authenticate_header(self, request):
        return "Token"


class OAuth(OAuth2Authentication):
    pass


class ApiWhoAmI(APIView):
    """`Authorization: Drf KEY`, `Token KEY` (knox), `Bearer KEY` (simplejwt, else OAuth)."""

    def get_authenticators(self):
        bearer = self.request.headers.get("Authorization", "")
        jwt = bearer.count(".") == 2
        return [DrfAuthentication(), KnoxNamed(), JWTAuthentication() if jwt else OAuth()]

    def get(self, request):
        if not request.user.is_authenticated:
            return Response({"username": None}, status=401)
        return Response({"username": request.user.get_username()})


def made(user):
    """One token of each package, as the package makes it."""
    from keys.models import ApiKey
    from knox.models import AuthToken
    from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken
    from rest_framework.authtoken.models import Token
    from rest_framework_simplejwt.tokens import RefreshToken as Jwt

    soon = timezone.now() + timedelta(hours=1)
    past = timezone.now() - timedelta(hours=1)
    application, _ = Application.objects.get_or_create(
        name="app",
        defaults={
            "client_id": "app",
            "client_secret": "app secret",
            "client_type": "confidential",
            "authorization_grant_type": "authorization-code",
            "redirect_uris": "http://localhost/",
        },
    )
    jwt = Jwt.for_user(user)
    access = AccessToken.objects.create(
        user=user, token=get_random_string(30), application=application, expires=soon, scope="read write"
    )
    refresh = RefreshToken.objects.create(
        user=user, token=get_random_string(30), application=application, access_token=access
    )
    Grant.objects.create(
        user=user, code=get_random_string(30), application=application, expires=soon, redirect_uri="http://localhost/"
    )
    tokens = {
        "drf": Token.objects.create(user=user).key,
        "knox": AuthToken.objects.create(user)[1],
        "jwt_access": str(jwt.access_token),
        "jwt_refresh": str(jwt),
        "oauth_access": access.token,
        "oauth_refresh": refresh.token,
        "own": ApiKey.objects.create(user=user, key=get_random_string(40)).key,
    }
    # What has run out is no way in, and is not counted.
    AuthToken.objects.create(user, expiry=timedelta(hours=-1))
    AccessToken.objects.create(user=user, token=get_random_string(30), application=application, expires=past)
    ApiKey.objects.create(user=user, key=get_random_string(40), expires=past)
    return tokens


@csrf_exempt
def tokens(request):
    model = get_user_model()
    names = json.loads(request.body)["users"]
    users = {name: model._default_manager.get_by_natural_key(name) for name in names}
    return JsonResponse({name: made(user) for name, user in users.items()})
