"""Routes of the edge API."""

from django.urls import path

from traffic.api import views

urlpatterns = [
    path("snapshot", views.snapshot, name="edge-snapshot"),
    path("report", views.report, name="edge-report"),
]
