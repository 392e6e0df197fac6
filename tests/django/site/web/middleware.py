from django.contrib.auth import get_user_model
from django.utils import timezone


class ActivityMiddleware:
    """Notes who is here, before the view, as such middlewares do: the request that signs in is still
    anonymous at that moment."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        model = get_user_model()
        if hasattr(model, "ACTIVITY") and request.user.is_authenticated:
            model._default_manager.filter(pk=request.user.pk).update(
                **{model.ACTIVITY: timezone.now(), model.FLAG: True}
            )
        return self.get_response(request)
