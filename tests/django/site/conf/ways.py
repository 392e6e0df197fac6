"""Ways into the site besides its own sign-in, as the real packages bring them: impersonation and API tokens.
Installed where SITE_WAYS says so."""

import os

ON = os.environ.get("SITE_WAYS") == "1"

APPS = [
    "hijack",
    "loginas",
    "impersonate",
    "django_su",
    "rest_framework",
    "rest_framework.authtoken",
    "knox",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "oauth2_provider",
    "keys",
]

MIDDLEWARE = [
    "web.ways.NoCsrfMiddleware",
    "hijack.middleware.HijackUserMiddleware",
    "impersonate.middleware.ImpersonateMiddleware",
]

BACKENDS = ["django.contrib.auth.backends.ModelBackend", "django_su.backends.SuBackend"]


def urls():
    from django.urls import include, path
    from rest_framework_simplejwt.views import TokenRefreshView
    from web import ways

    return [
        path("hijack/", include("hijack.urls")),
        path("loginas/", include("loginas.urls")),
        path("impersonate/", include("impersonate.urls")),
        path("su/", include("django_su.urls")),
        path("tokens", ways.tokens),
        path("api/whoami", ways.ApiWhoAmI.as_view()),
        path("api/refresh", TokenRefreshView.as_view()),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]
