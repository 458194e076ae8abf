"""What each template is given: frozen values, ready to print. No template asks the database.

`Html` marks text drawn by `rollout.pages.charts`; everything else is escaped by the templates.
`status` is a word of the glyph set: pass, fail, inc, col, none, stale, hold, over, go, err.
"""

from dataclasses import dataclass, field

from django.utils.safestring import SafeString

Html = SafeString

NO_CHART = Html("")


@dataclass(frozen=True, slots=True)
class NavItem:
    """A migration in the sidebar: its worst status and where it stands."""

    slug: str
    status: str
    where: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Nav:
    """The list in sidebar and drawer; `more` were left out, `carrying` serve users."""

    items: tuple[NavItem, ...]
    more: int
    carrying: int
    at: str = ""


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around every page."""

    section: str
    environment: str
    user: str
    initials: str
    role: str
    nav: Nav
    clock: str
    approvals: int = 0
    policy_label: str = ""
    events_url: str = ""
    can_create: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """An action of the head. A closed one stays visible and says in `note` what opens it."""

    label: str
    short: str
    url: str
    open: bool = True
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Banner:
    """A message across the page; `tone` is warn, fail or plain."""

    status: str
    title: str
    text: str = ""
    tone: str = ""
    url: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """Name, state, identity and the three actions of a migration."""

    slug: str
    title: str
    status: str
    pill: str
    legacy_build: str
    candidate_build: str
    facts: str
    policy_label: str
    note: str
    roll_back: Button | None
    hold: Button | None
    forward: Button | None
    tab: str
    cause_count: int
    entry_count: int
    can_act: bool
    banner: Banner | None = None
    override: Button | None = None
    checklist: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the stepper; `state` is done, cur, next or last."""

    weight: int
    state: str
    status: str
    word: str
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Rail:
    """The three phases with the traffic bar under them; percents, None is not measured."""

    dual_run_state: str
    dual_run_status: str
    dual_run_word: str
    dual_run_text: str
    canary_state: str
    canary_end: str
    steps: tuple[Step, ...]
    full_state: str
    full_status: str
    full_word: str
    full_text: str
    set_weight: int
    measured: float | None
    measured_words: str
    legacy_words: str
    legacy_rps: str


@dataclass(frozen=True, slots=True)
class RouteEvidence:
    """One route under a gate: what was compared and what it lacks."""

    route: str
    compared: str
    mismatched: str
    bound: str
    chart: Html
    status: str
    word: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class PercentileRow:
    """One percentile of both sides, its relative change and what the test says."""

    name: str
    legacy: str
    candidate: str
    change: str
    interval: str
    chart: Html
    status: str
    word: str


@dataclass(frozen=True, slots=True)
class GateLink:
    """Something a person may do about an open gate."""

    label: str
    url: str
    dialog: bool = True


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate: measured value, limit, interval, verdict, one sentence, evidence still needed."""

    key: str
    name: str
    detail: str
    value: str
    limit: str
    status: str
    word: str
    chart: Html = NO_CHART
    open: bool = False
    lead: str = ""
    sentence: str = ""
    progress: float | None = None
    progress_title: str = ""
    progress_text: str = ""
    routes: tuple[RouteEvidence, ...] = ()
    percentiles: tuple[PercentileRow, ...] = ()
    links: tuple[GateLink, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class GateGroup:
    """Gates under one heading: the checklist, or the present step's."""

    key: str
    title: str
    note: str
    rows: tuple[GateRow, ...]


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates card."""

    title: str
    summary: str
    measured: str
    groups: tuple[GateGroup, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One live figure of both sides."""

    name: str
    candidate: str
    legacy: str
    chart: Html


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision in the side column."""

    what: str
    reason: str
    who: str
    entry: str
    entry_url: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A label with its value and, in small, a note."""

    name: str
    value: str
    note: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class ChartCard:
    """A time chart with its title, legend and the table behind it."""

    title: str
    chart: Html
    has_data: bool
    has_band: bool
    has_noise: bool
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """pages/overview.html."""

    head: Head
    rail: Rail
    gates: Gates
    tiles: tuple[Tile, ...]
    tiles_window: str
    health: tuple[Fact, ...]
    decisions: tuple[DecisionRow, ...]
    chart: ChartCard | None


@dataclass(frozen=True, slots=True)
class Cause:
    """One group of mismatches."""

    key: str
    path: str
    description: str
    count: str
    share: str
    share_percent: float
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class DiffSide:
    """A line of one answer, cut around what differs."""

    number: str = ""
    before: str = ""
    marked: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A line of the diff; `kind` is eq, chg, tol, note or fold."""

    kind: str
    legacy: DiffSide = field(default_factory=DiffSide)
    candidate: DiffSide = field(default_factory=DiffSide)
    status: str = ""
    lead: str = ""
    text: str = ""
    folded: tuple["DiffRow", ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One kept pair with its diff."""

    title: str
    intro: str
    request: str
    sample_id: str
    at: str
    tolerance: str
    legacy_head: str
    legacy_note: str
    candidate_head: str
    candidate_note: str
    rows: tuple[DiffRow, ...]
    position: str
    previous_url: str
    next_url: str
    request_body: str


@dataclass(frozen=True, slots=True)
class Account:
    """A sum that must come out: what was sampled, and what became of it."""

    total: str
    total_name: str
    parts: tuple[Fact, ...]
    leak: str
    status: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """pages/shadow.html."""

    head: Head
    stats: tuple[Fact, ...]
    chart: ChartCard | None
    causes: tuple[Cause, ...]
    causes_summary: str
    empty_text: str
    ignored: tuple[str, ...]
    sample: Sample | None
    sample_empty: str
    accounts: tuple[Account, ...]
    query: str = ""


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A migration in the fleet."""

    slug: str
    team: str
    status: str
    word: str
    phase: str
    phase_note: str
    set_weight: int
    measured: float | None
    share_words: str
    strip: Html
    strip_words: str
    p99: str
    p99_note: str
    opens: str
    opens_note: str
    sentence: str = ""
    roll_back_url: str = ""
    action: str = ""
    action_url: str = ""
    action_primary: bool = False


@dataclass(frozen=True, slots=True)
class FleetSection:
    """Collecting evidence, or done."""

    key: str
    title: str
    note: str
    rows: tuple[FleetRow, ...]
    last_column: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """pages/fleet.html."""

    summary: str
    query: str
    needs_you: tuple[FleetRow, ...]
    sections: tuple[FleetSection, ...]
    more_url: str
    can_create: bool
    empty: bool
    installation: tuple[Fact, ...]
    installation_ready: str


@dataclass(frozen=True, slots=True)
class EntryGate:
    """A gate as it was when a decision was taken."""

    name: str
    measured: str
    limit: str
    evidence: str
    status: str
    word: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger."""

    number: int
    iso: str
    time: str
    initials: str
    automatic: bool
    what: str
    slug: str
    pill_status: str
    pill: str
    reason: str
    who: str
    short_hash: str
    toggle_url: str
    open: bool = False
    facts: tuple[Fact, ...] = ()
    gates: tuple[EntryGate, ...] = ()
    gates_at: str = ""
    snapshot: str = ""
    sha256: str = ""
    previous: str = ""
    link_ok: bool | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class EntryDay:
    """The entries of one day."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of a select or a chip."""

    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """The audit log's filters, all of them in the URL."""

    action_url: str
    query: str
    migrations: tuple[Choice, ...]
    actors: tuple[Choice, ...]
    actions: tuple[Choice, ...]
    periods: tuple[Choice, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """What is known about the ledger's chain."""

    status: str
    lead: str
    text: str


@dataclass(frozen=True, slots=True)
class Audit:
    """pages/audit.html."""

    head: Head | None
    chain: Chain
    filters: Filters
    days: tuple[EntryDay, ...]
    count: str
    newer_url: str
    older_url: str
    export_url: str
    verify_url: str
    newer_count_url: str


@dataclass(frozen=True, slots=True)
class MiniGate:
    """A gate in a dialog."""

    name: str
    value: str
    status: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a roll back may go."""

    weight: int
    label: str
    index: int
    chosen: bool
    legacy_words: str


@dataclass(frozen=True, slots=True)
class PickRow:
    """A migration to choose in the roll back picker."""

    slug: str
    status: str
    note: str
    share: str
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a form; `kind` is line or select."""

    name: str
    label: str
    kind: str = "line"
    value: str = ""
    note: str = ""
    help: str = ""
    mono: bool = False
    full: bool = False
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class OverrideGate:
    """A gate that an override can go past, with what that accepts."""

    key: str
    name: str
    status: str
    word: str
    text: str
    chart: Html
    chosen: bool


@dataclass(frozen=True, slots=True)
class Dialog:
    """dialogs/*.html: one form, as a dialog over the page or as a page of its own."""

    verb: str
    slug: str
    title: str
    intro: str
    action_url: str
    back_url: str
    button: str
    busy: str
    consequence: str
    version: int
    reason: str = ""
    error: str = ""
    error_field: str = ""
    allowed: bool = True
    refusal: str = ""
    now_percent: float | None = None
    now_words: str = ""
    now_note: str = ""
    after_percent: float | None = None
    after_words: str = ""
    after_note: str = ""
    confirm: str = ""
    confirm_typed: str = ""
    gates: tuple[MiniGate, ...] = ()
    gates_title: str = ""
    gates_note: str = ""
    gates_status: str = "none"
    reasons: tuple[Choice, ...] = ()
    reasons_note: str = ""
    targets: tuple[Target, ...] = ()
    note: str = ""
    room_status: str = ""
    room_text: str = ""
    effects: tuple[Fact, ...] = ()
    picks: tuple[PickRow, ...] = ()
    # Forms made of fields: the button's colour (primary, danger, over), a strip that warns, the
    # words somebody else wrote, and the gates that an override names.
    tone: str = "primary"
    wide: bool = False
    strip_lead: str = ""
    strip_text: str = ""
    quote: str = ""
    inputs: tuple[Input, ...] = ()
    override_gates: tuple[OverrideGate, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a connection test."""

    status: str
    lead: str
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route of the new migration form."""

    method: str
    path: str
    why: str
    safe: bool
    warn: bool


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """A preset to choose."""

    name: str
    title: str
    lines: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class New:
    """pages/new.html."""

    values: dict[str, str]
    errors: dict[str, str]
    checks: tuple[Check, ...]
    tested: str
    routes: tuple[RouteLine, ...]
    policies: tuple[PolicyCard, ...]
    can_start: bool
    why_closed: str


@dataclass(frozen=True, slots=True)
class ApprovalCard:
    """A request that waits for the reader, with evidence measured for them."""

    slug: str
    what: str
    status: str
    expires: str
    asked: str
    now_percent: float | None
    now_words: str
    after_percent: float
    after_words: str
    quote: str
    facts: tuple[Fact, ...]
    gates: tuple[MiniGate, ...]
    gates_status: str
    gates_title: str
    gates_note: str
    approve_url: str
    decline_url: str
    can_answer: bool


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A request in one line: asked by the reader, or over."""

    status: str
    slug: str
    what: str
    text: str
    end: str
    action: str = ""
    action_url: str = ""


@dataclass(frozen=True, slots=True)
class Approvals:
    """pages/approvals.html."""

    summary: str
    waiting: tuple[ApprovalCard, ...]
    mine: tuple[ApprovalRow, ...]
    reviews: tuple[ApprovalRow, ...]
    decided: tuple[ApprovalRow, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One percentile over time."""

    name: str
    status: str
    word: str
    candidate: str
    legacy: str
    change: str
    chart: Html
    highlighted: bool


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A percentile in the panel of changes."""

    name: str
    chart: Html
    change: str
    warn: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table behind a chart: column heads, rows whose first cell is the row's head."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Performance:
    """pages/performance.html."""

    head: Head
    ranges: tuple[Choice, ...]
    window: str
    query: str
    stats: tuple[Fact, ...]
    panels: tuple[Panel, ...]
    changes: tuple[ChangeRow, ...]
    table: Table
    traffic: Html
    traffic_now: tuple[str, str]
    share: str
    routes: Table
    errors: Html
    errors_now: tuple[str, str]
    statuses: Table
    copies: str
    empty: bool


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One difference that a check found."""

    where: str
    sentence: str
    legacy: str
    candidate: str
    status: str
    word: str


@dataclass(frozen=True, slots=True)
class ChecklistRow:
    """One of the seven items; an open one shows how it works and what it found."""

    key: str
    name: str
    url: str
    detail: str
    value: str
    limit: str
    last: str
    last_note: str
    next: str
    next_note: str
    status: str
    word: str
    run_url: str
    stop_url: str
    toggle_url: str
    open: bool
    progress: float | None = None
    doing: str = ""
    lead: str = ""
    sentence: str = ""
    advice: tuple[str, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    findings_note: str = ""
    raw: str = ""
    foot: str = ""
    waive_url: str = ""
    waive_label: str = ""
    download_url: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """pages/checklist.html."""

    head: Head
    summary: str
    rows: tuple[ChecklistRow, ...]
    run_all_url: str
    query: str


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A verdict as it stood from one moment to another."""

    since: str
    until: str
    route: str
    status: str
    word: str
    sentence: str
    n: str
    builds: str
    sha256: str


@dataclass(frozen=True, slots=True)
class GatePage:
    """pages/gate.html."""

    head: Head
    title: str
    row: GateRow
    history: tuple[VerdictRow, ...]
    older_url: str
    raw: str
    download_url: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One number of the policy: its path is the field's name."""

    path: str
    label: str
    value: str
    unit: str
    words: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class StepSetting:
    """One rung of the canary."""

    weight: int
    now: bool
    bake: Setting
    requests: Setting
    percentiles: str


@dataclass(frozen=True, slots=True)
class GateSetting:
    """Whether a gate is asked for, and from which weight on."""

    key: str
    name: str
    required: bool
    fixed: bool
    from_weight: str
    limit: str


@dataclass(frozen=True, slots=True)
class RouteSetting:
    """How one route is compared."""

    route: str
    safe: str
    rule: str
    ignored: str
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What a saved form would change."""

    path: str
    before: str
    after: str
    loosens: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """pages/settings.html."""

    head: Head
    version: int
    steps: tuple[StepSetting, ...]
    gates: tuple[GateSetting, ...]
    limits: tuple[Setting, ...]
    routes: tuple[RouteSetting, ...]
    policy: tuple[Fact, ...]
    people: tuple[Fact, ...]
    services: tuple[Fact, ...]
    changes: tuple[PolicyChange, ...]
    verdict: str
    error: str
    reason: str
    can_change: bool
    can_save: bool
    closed: str
    abandon_url: str
    report_url: str


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A line of the report's tables."""

    when: str
    what: str
    why: str
    people: str
    entry: str


@dataclass(frozen=True, slots=True)
class Report:
    """pages/report.html: one document, also the record of the end."""

    slug: str
    title: str
    identity: str
    written: str
    entries: str
    stats: tuple[Fact, ...]
    timeline: Html
    decisions: tuple[ReportRow, ...]
    evidence_title: str
    evidence: tuple[EntryGate, ...]
    scorecard: Table | None
    accepted: tuple[ReportRow, ...]
    chain: str
    head: str
    command: str
    people: tuple[Fact, ...]
    json_url: str


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of a load test: what was asked, what it got, how it answered."""

    factor: str
    target: str
    measured: str
    requests: str
    errors: str
    p99: str
    legacy_p99: str
    shed: str
    chart: Html


@dataclass(frozen=True, slots=True)
class StopRule:
    """A rule that ends a test, and how near it is or came."""

    name: str
    value: str
    limit: str
    near: bool


@dataclass(frozen=True, slots=True)
class LoadRunRow:
    """An earlier test."""

    name: str
    build: str
    rate: str
    status: str
    word: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class LoadTest:
    """pages/load.html."""

    head: Head
    title: str
    status: str
    word: str
    identity: str
    sentence: str
    stats: tuple[Fact, ...]
    stages: tuple[StageRow, ...]
    rules: tuple[StopRule, ...]
    runs: tuple[LoadRunRow, ...]
    method: tuple[Fact, ...]
    running: bool
    progress: float
    doing: str
    remaining: str
    can_run: bool
    closed: str
    start_url: str
    stop_url: str
    query: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One measure of both sides, by the same method."""

    name: str
    how: str
    legacy: str
    legacy_note: str
    candidate: str
    candidate_note: str
    chart: Html
    factor: str


@dataclass(frozen=True, slots=True)
class Scorecard:
    """pages/scorecard.html."""

    head: Head
    stats: tuple[Fact, ...]
    rows: tuple[ScoreRow, ...]
    missing: str
    method: tuple[Fact, ...]
    csv_url: str
    report_url: str


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """Kept examples that would be judged otherwise."""

    method: str
    was: str
    becomes: str
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A path that legacy itself does not repeat, and the rule that would ignore it."""

    path: str
    share: str
    rule: str


@dataclass(frozen=True, slots=True)
class RulesPage:
    """pages/rules.html: how one route's answers are compared."""

    head: Head
    route: str
    version: int
    atol: str
    ignore: str
    rules: str
    redact: str
    error_field: str
    error: str
    summary: str
    rows: tuple[PreviewRow, ...]
    proposals: tuple[ProposalRow, ...]
    previewed: bool
    can_change: bool
    reason: str
    back_url: str
