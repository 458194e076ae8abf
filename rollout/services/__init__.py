"""Verbs that write, one transaction each."""

from rollout.services.approvals import (
    OverrideTerms,
    decline_approval,
    grant_approval,
    request_approval,
    withdraw_approval,
)
from rollout.services.builds import notice_build
from rollout.services.checks import change_check, check_of, run_check, stop_check
from rollout.services.corpus import (
    change_replay,
    delete_corpus,
    import_corpus,
    no_request,
)
from rollout.services.create import (
    NewMigration,
    RouteInput,
    change_addresses,
    create_migration,
)
from rollout.services.decide import MAX_REASON
from rollout.services.endings import abandon, decommission
from rollout.services.evaluations import keep_evaluations
from rollout.services.late import follow_holds, import_records
from rollout.services.load import (
    drive_load,
    keep_generating,
    requests_of,
    start_load,
    stop_load,
)
from rollout.services.logs import post_lines
from rollout.services.measuring import measure_due
from rollout.services.policies import change_policy
from rollout.services.promote import override, promote
from rollout.services.record import (
    mark_accepted,
    mark_in_effect,
    note_evaluations,
    record_denied,
)
from rollout.services.reviews import close_review
from rollout.services.verbs import decide, hold, resume, roll_back, start
from rollout.services.verdicts import (
    latch_fail,
    on_gate_error,
    on_gate_fail,
    on_override_end,
    reset_verdict,
)
from rollout.services.waivers import end_waiver, waive

__all__ = [
    "MAX_REASON",
    "NewMigration",
    "OverrideTerms",
    "RouteInput",
    "abandon",
    "change_addresses",
    "change_check",
    "change_policy",
    "change_replay",
    "check_of",
    "close_review",
    "create_migration",
    "decide",
    "decline_approval",
    "decommission",
    "delete_corpus",
    "drive_load",
    "end_waiver",
    "follow_holds",
    "grant_approval",
    "hold",
    "import_corpus",
    "import_records",
    "keep_evaluations",
    "keep_generating",
    "latch_fail",
    "mark_accepted",
    "mark_in_effect",
    "measure_due",
    "no_request",
    "note_evaluations",
    "notice_build",
    "on_gate_error",
    "on_gate_fail",
    "on_override_end",
    "override",
    "post_lines",
    "promote",
    "record_denied",
    "request_approval",
    "requests_of",
    "reset_verdict",
    "resume",
    "roll_back",
    "run_check",
    "start",
    "start_load",
    "stop_check",
    "stop_load",
    "waive",
    "withdraw_approval",
]
