"""How a test stops a request in the middle: the request says that it is under way, and waits to be let go."""

import os
import time
from pathlib import Path


def until_let_go(name):
    hold = Path(os.environ["SITE_HOLD"])
    (hold / f"{name}.under-way").touch()
    until = time.monotonic() + 100
    while not (hold / f"{name}.go").exists():
        if time.monotonic() > until:
            raise TimeoutError("nobody let this request go")
        time.sleep(0.02)
