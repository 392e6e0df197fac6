"""What a test asks of the site from the side, in one place: no visitor has this view."""

import json

from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt

from web import seed, stores


@csrf_exempt
def control(request):
    asked = json.loads(request.body)
    answer = {
        "seed": seed.people,
        "load": seed.load,
        "checksums": stores.checksums,
        "spoil": stores.spoil,
        "forget": stores.forget,
        "keys": stores.keys,
        "empty": stores.empty,
    }[asked.pop("do")]
    return JsonResponse(answer(**asked))
