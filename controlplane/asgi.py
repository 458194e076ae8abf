"""ASGI entry point: pages, REST, live updates and the edge API in one server."""

import os

from django.core.asgi import get_asgi_application

from controlplane.body import BoundedBody

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

application = BoundedBody(get_asgi_application())
