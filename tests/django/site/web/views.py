"""The site as its people use it."""

from datetime import timedelta

from django.contrib.auth import authenticate, get_user_model, login, logout
from django.http import HttpResponseForbidden, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from web import hold


@csrf_exempt
def sign_in(request):
    user = authenticate(
        request, username=request.POST["username"], password=request.POST["password"]
    )
    if user is None:
        return HttpResponseForbidden("no")
    login(request, user)
    return JsonResponse({"username": user.get_username()})


@csrf_exempt
def sign_out(request):
    logout(request)
    return JsonResponse({})


def whoami(request):
    name = request.user.get_username() if request.user.is_authenticated else None
    return JsonResponse({"username": name})


def touch(request):
    """Saves the session."""
    request.session["touched"] = request.session.get("touched", 0) + 1
    return whoami(request)


def slow(request):
    """A request under way: it has loaded the session, and waits before it saves it."""
    answer = whoami(request)
    name = request.GET["name"]
    hold.until_let_go(name)
    request.session["slow"] = name
    return answer


def expiry(request):
    """Every kind of value that set_expiry takes."""
    request.session.set_expiry(
        {
            "int": 600,
            "close": 0,
            "none": None,
            "delta": timedelta(hours=1),
            "moment": timezone.now() + timedelta(hours=2),
        }[request.GET["as"]]
    )
    return whoami(request)


@csrf_exempt
def password(request):
    """Changes one's own password as another browser would: this session is not renewed."""
    user = get_user_model()._default_manager.get(pk=request.user.pk)
    user.set_password(request.POST["password"])
    user.save()
    return JsonResponse({})
