"""Routes of `/api/v1/`."""

from django.urls import path

from rollout.api import views

urlpatterns = [
    path("me/", views.MeView.as_view()),
    path("migrations/", views.MigrationsView.as_view()),
    path("migrations/<slug:slug>/", views.MigrationView.as_view()),
    path("migrations/<slug:slug>/gates/", views.GatesView.as_view()),
    path("migrations/<slug:slug>/mismatches/", views.MismatchesView.as_view()),
    path("migrations/<slug:slug>/mismatches/<int:cause>/", views.MismatchView.as_view()),
    path("migrations/<slug:slug>/probes/", views.ProbesView.as_view()),
    path("migrations/<slug:slug>/decisions/", views.DecisionsView.as_view()),
    path("migrations/<slug:slug>/start/", views.StartView.as_view()),
    path("migrations/<slug:slug>/promote/", views.PromoteView.as_view()),
    path("migrations/<slug:slug>/hold/", views.HoldView.as_view()),
    path("migrations/<slug:slug>/resume/", views.ResumeView.as_view()),
    path("migrations/<slug:slug>/rollback/", views.RollBackView.as_view()),
    path("proxies/", views.ProxiesView.as_view()),
    path("audit/", views.AuditView.as_view()),
    path("audit/export/", views.AuditExportView.as_view()),
    path("audit/verify/", views.AuditVerifyView.as_view()),
    path("audit/<int:seq>/", views.AuditEntryView.as_view()),
]
