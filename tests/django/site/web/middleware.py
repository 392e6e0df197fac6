import os
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.utils import timezone

from web import hold


# A user's activity is written once in so many seconds, as many sites do.
EVERY = timedelta(seconds=float(os.environ.get("SITE_ACTIVITY_EVERY", "0")))


class ActivityMiddleware:
    """Notes who is here, before the view, as such middlewares do: the request that signs in is still
    anonymous at that moment."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        model = get_user_model()
        if (
            hasattr(model, "ACTIVITY")
            and request.user.is_authenticated
            and self.is_due(getattr(request.user, model.ACTIVITY))
        ):
            model._default_manager.filter(pk=request.user.pk).update(
                **{model.ACTIVITY: timezone.now(), model.FLAG: True}
            )
        return self.get_response(request)

    @staticmethod
    def is_due(last):
        return last is None or timezone.now() - last >= EVERY


class StalledReadMiddleware:
    """A read under way: at /stalled what the session was read from the table is put into the cache only
    when the test lets it go, as where the process is stopped between the two."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/stalled":
            cache, name = request.session._cache, request.GET["name"]
            put = cache.set

            def put_when_let_go(*args):
                cache.set = put
                hold.until_let_go(name)
                put(*args)

            cache.set = put_when_let_go
        return self.get_response(request)
