"""A web process over a small seeded fleet, for browsers: python -m tests.pages.serve STATE PORT."""

import os
import sys
import threading
import time

FAST_PASSWORDS = ("django.contrib.auth.hashers.MD5PasswordHasher",)


def main(state: str, port: int) -> None:
    os.environ["BANYAN_STATE_DIR"] = state
    os.environ["BANYAN_ENVIRONMENT"] = "test"
    os.environ["BANYAN_LOG_LEVEL"] = "WARNING"
    os.environ["DJANGO_SETTINGS_MODULE"] = "controlplane.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.utils import timezone

    from tests.pages import world

    settings.PASSWORD_HASHERS = list(FAST_PASSWORDS)
    call_command("migrate", verbosity=0)
    world.fleet(timezone.now())
    threading.Thread(target=_live, daemon=True).start()
    import uvicorn

    uvicorn.run(
        "controlplane.asgi:application",
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="warning",
    )


def _live() -> None:
    from django.db import OperationalError
    from django.utils import timezone

    from tests.pages import world

    while True:
        try:
            world.tick(timezone.now())
        except OperationalError as exc:
            sys.stderr.write(f"tick left out: {exc}\n")
        time.sleep(2)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
