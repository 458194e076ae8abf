"""Routes of `/api/v1/`."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter

from rollout.api import (
    approvals,
    checks,
    comparison,
    corpus,
    ledger,
    load,
    logs,
    oversight,
    scorecard,
    verbs,
    views,
)

ONE = "migrations/<slug:slug>/"


class RowConverter(IntConverter):
    """The number of a row: a longer one than any column holds is no route at all."""

    regex = "[0-9]{1,18}"


register_converter(RowConverter, "row")

urlpatterns = [
    path("me/", views.MeView.as_view()),
    path("migrations/", views.MigrationsView.as_view()),
    path(ONE, views.MigrationView.as_view()),
    path(f"{ONE}gates/", views.GatesView.as_view()),
    path(f"{ONE}mismatches/", views.MismatchesView.as_view()),
    path(f"{ONE}mismatches/<row:cause>/", views.MismatchView.as_view()),
    path(f"{ONE}noise/", comparison.NoiseView.as_view()),
    path(f"{ONE}coverage/", comparison.CoverageView.as_view()),
    path(f"{ONE}routes/", comparison.RoutesView.as_view()),
    path(f"{ONE}routes/<row:number>/", comparison.RouteView.as_view()),
    path(f"{ONE}routes/<row:number>/rules/preview/", comparison.PreviewView.as_view()),
    path(f"{ONE}probes/", views.ProbesView.as_view()),
    path(f"{ONE}decisions/", views.DecisionsView.as_view()),
    path(f"{ONE}start/", verbs.StartView.as_view()),
    path(f"{ONE}promote/", verbs.PromoteView.as_view()),
    path(f"{ONE}hold/", verbs.HoldView.as_view()),
    path(f"{ONE}resume/", verbs.ResumeView.as_view()),
    path(f"{ONE}rollback/", verbs.RollBackView.as_view()),
    path(f"{ONE}override/", verbs.OverrideView.as_view()),
    path(f"{ONE}decommission/", verbs.DecommissionView.as_view()),
    path(f"{ONE}abandon/", verbs.AbandonView.as_view()),
    path(f"{ONE}reset/", verbs.ResetView.as_view()),
    path(f"{ONE}load/", load.LoadView.as_view()),
    path(f"{ONE}measurements/", scorecard.MeasurementsView.as_view()),
    path(f"{ONE}scorecard/", scorecard.ScorecardView.as_view()),
    path(f"{ONE}load/stop/", load.StopLoadView.as_view()),
    path(f"{ONE}approvals/", approvals.MigrationApprovalsView.as_view()),
    path(f"{ONE}waivers/", oversight.WaiversView.as_view()),
    path(f"{ONE}waivers/<slug:item>/end/", oversight.EndWaiverView.as_view()),
    path(f"{ONE}policy/", oversight.PolicyView.as_view()),
    path(f"{ONE}checks/", checks.ChecksView.as_view()),
    path(f"{ONE}checks/<slug:item>/", checks.CheckView.as_view()),
    path(f"{ONE}checks/<slug:item>/run/", checks.RunCheckView.as_view()),
    path(f"{ONE}checks/<slug:item>/stop/", checks.StopCheckView.as_view()),
    path(f"{ONE}checks/<slug:item>/settings/", checks.CheckSettingsView.as_view()),
    path(f"{ONE}corpus/", corpus.CorpusView.as_view()),
    path(f"{ONE}corpus/export/", corpus.CorpusExportView.as_view()),
    path(f"{ONE}corpus/<row:number>/", corpus.CorpusRequestView.as_view()),
    path(f"{ONE}replay/", corpus.ReplayView.as_view()),
    path(f"{ONE}logs/<slug:side>/", logs.LogLinesView.as_view()),
    path("approvals/", approvals.ApprovalsView.as_view()),
    path("approvals/<row:approval>/", approvals.ApprovalView.as_view()),
    path("approvals/<row:approval>/grant/", approvals.GrantView.as_view()),
    path("approvals/<row:approval>/decline/", approvals.DeclineView.as_view()),
    path("approvals/<row:approval>/withdraw/", approvals.WithdrawView.as_view()),
    path("reviews/", oversight.ReviewsView.as_view()),
    path("reviews/<row:review>/close/", oversight.CloseReviewView.as_view()),
    path("proxies/", views.ProxiesView.as_view()),
    path("audit/", ledger.AuditView.as_view()),
    path("audit/anchor/", ledger.AuditAnchorView.as_view()),
    path("audit/export/", ledger.AuditExportView.as_view()),
    path("audit/verify/", ledger.AuditVerifyView.as_view()),
    path("audit/<row:seq>/", ledger.AuditEntryView.as_view()),
]
