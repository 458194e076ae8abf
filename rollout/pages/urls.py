"""Addresses of the operators' pages; every filter and opened entry is in the query string."""

from django.urls import path
from django.views.generic import RedirectView

from rollout.pages import actions, events, fleet, ledger, migration, new, session

app_name = "pages"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="pages:fleet"), name="home"),
    path("sign-in/", session.SignIn.as_view(), name="sign_in"),
    path("sign-out/", session.sign_out, name="sign_out"),
    path("theme/", session.set_theme, name="theme"),
    path("menu/", fleet.menu, name="menu"),
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/rows/", fleet.rows, name="fleet_rows"),
    path("fleet/nav/", fleet.nav, name="nav"),
    path("fleet/events", events.events, name="fleet_events"),
    path("new/", new.new, name="new"),
    path("rollback/", actions.roll_back_any, name="roll_back_any"),
    path("audit/", ledger.audit, name="audit"),
    path("audit/newer/", ledger.newer, name="newer"),
    path("audit/verify/", ledger.verify, name="verify"),
    path("audit/export.jsonl", ledger.export, name="export"),
    path("audit/<int:number>/", ledger.entry, name="entry"),
    path("m/<slug:slug>/", migration.overview, name="overview"),
    path("m/<slug:slug>/events", events.events, name="events"),
    path("m/<slug:slug>/head/", migration.head, name="head"),
    path("m/<slug:slug>/rail/", migration.rail, name="rail"),
    path("m/<slug:slug>/gates/", migration.gates, name="gates"),
    path("m/<slug:slug>/aside/", migration.aside, name="aside"),
    path("m/<slug:slug>/chart/", migration.chart, name="chart"),
    path("m/<slug:slug>/shadow/", migration.shadow, name="shadow"),
    path("m/<slug:slug>/shadow/stats/", migration.shadow_stats, name="shadow_stats"),
    path("m/<slug:slug>/shadow/causes/", migration.causes, name="causes"),
    path("m/<slug:slug>/shadow/accounts/", migration.accounts, name="accounts"),
    path("m/<slug:slug>/audit/", ledger.migration_audit, name="migration_audit"),
    path("m/<slug:slug>/start/", actions.start, name="start"),
    path("m/<slug:slug>/promote/", actions.promote, name="promote"),
    path("m/<slug:slug>/hold/", actions.hold, name="hold"),
    path("m/<slug:slug>/resume/", actions.resume, name="resume"),
    path("m/<slug:slug>/rollback/", actions.roll_back, name="roll_back"),
]
