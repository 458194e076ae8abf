"""Routes: pages, REST, edge API, health, metrics, back office."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from controlplane.health import healthz, readyz
from controlplane.metrics import metrics

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("edge/v1/", include("traffic.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/", include("rollout.api.urls")),
    path("", include("rollout.pages.urls")),
]

handler400 = "controlplane.errors.bad_request"
handler403 = "controlplane.errors.permission_denied"
handler404 = "controlplane.errors.page_not_found"
handler500 = "controlplane.errors.server_error"
