"""The shadow page: the summary, causes, one kept pair side by side, and the accounting."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from django.urls import reverse

from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.contexts.parts import Fact
from rollout.pages.contexts.shadow import Account, Cause, Sample
from rollout.pages.diff import Rulebook, diff_rows
from rollout.pages.states import NO_DATA, said_of
from rollout.queries import MigrationView
from rollout.readings import sampled_totals
from shadow.models import MismatchGroup, MismatchSample

SAMPLE_PARTS = ("pairs", "waiting", "unpaired", "truncated", "failed_over", "diverted", "shed")
PART_NAMES = {
    "pairs": "Joined to pairs",
    "waiting": "Still waiting for an answer",
    "unpaired": "No second answer",
    "truncated": "Body too large",
    "failed_over": "Answered by legacy instead",
    "diverted": "Sent elsewhere",
    "shed": "Not copied, too busy",
}


def stats(view: MigrationView) -> tuple[Fact, ...]:
    """Build the five figures on top: what was compared, how it differs, and the noise under it."""
    gate = next(r for r in view.gates if r.key == "discrepancy")
    e = gate.evidence
    state = said_of(e) if e.n else NO_DATA
    noise_n = int(view.evidence.noise.compared.sum())
    noise_k = int(view.evidence.noise.mismatched.sum())
    since = view.migration.shadow_since
    elapsed = (view.now - since).total_seconds() if since else 0
    asked = view.policy.discrepancy.min_window_s
    return (
        Fact("Verdict", state.word, f"limit {words.rate(e.limit)}", state.status),
        Fact(
            "Mismatch rate",
            words.rate(e.value) if e.n else "no data",
            f"at most {words.rate(e.upper)} ({100 * (1 - e.alpha):g}%)"
            if e.n and e.upper is not None
            else "nothing compared yet",
        ),
        Fact("Compared", words.count(e.n), f"{words.count(e.k)} differ"),
        Fact("Shadow time", words.duration(elapsed), f"{words.duration(asked)} needed"),
        Fact(
            "Noise floor",
            words.rate(noise_k / noise_n) if noise_n else "no data",
            "legacy against itself",
        ),
    )


def cause_rows(
    groups: Sequence[MismatchGroup], *, slug: str, chosen: str
) -> tuple[tuple[Cause, ...], MismatchGroup | None]:
    """Build the list of causes and pick the chosen one, else the most frequent."""
    total = sum(g.count for g in groups) or 1
    current = next((g for g in groups if str(g.pk) == chosen), groups[0] if groups else None)
    base = reverse("pages:shadow", args=[slug])
    rows = tuple(
        Cause(
            key=str(g.pk),
            path=g.path or g.kind,
            description=f"{_kind(g.kind)}, {g.route}",
            count=words.count(g.count),
            share=f"{100 * g.count / total:.1f}%",
            share_percent=100 * g.count / total,
            url=f"{base}?{urlencode({'cause': g.pk})}",
            current=current is not None and g.pk == current.pk,
        )
        for g in groups
    )
    return rows, current


KINDS = {
    "number": "Numeric drift over the tolerance",
    "not_finite": "NaN or infinity",
    "status": "Another status",
    "type": "Another JSON type",
    "length": "Another length",
    "missing": "Missing from the candidate",
    "unexpected": "Only in the candidate",
    "no_answer": "The candidate gave no answer",
    "not_json": "Not JSON",
    "bytes": "Other bytes",
    "value": "Another value",
    "not_decodable": "Cannot be decoded",
}


def _kind(kind: str) -> str:
    return KINDS.get(kind, kind.replace("_", " ").capitalize())


def sample_of(  # noqa: PLR0913  # what one example is shown with
    group: MismatchGroup,
    samples: Sequence[MismatchSample],
    *,
    slug: str,
    chosen: str,
    reader: Reader,
    tolerances: Mapping[str, float],
    ignored: Sequence[str] = (),
) -> Sample | None:
    """Build one kept pair of a cause with its diff; None when none is kept any more."""
    if not samples:
        return None
    at = next((i for i, s in enumerate(samples) if s.sample_id == chosen), 0)
    s = samples[at]
    base = reverse("pages:shadow", args=[slug])

    def url(index: int) -> str:
        if not 0 <= index < len(samples):
            return ""
        query = urlencode({"cause": group.pk, "sample": samples[index].sample_id})
        return f"{base}?{query}"

    rules = Rulebook(
        found={str(d.get("path") or "$"): str(d.get("text", "")) for d in s.differences[:50]},
        atol=tolerances.get(group.route),
        ignored=frozenset(ignored),
    )
    legacy_build, _, candidate_build = group.builds.partition("|")
    return Sample(
        title=group.path or _kind(group.kind),
        intro=_intro(group, reader),
        request=f"{s.method} {s.path}",
        sample_id=f"req {words.short_hash(s.sample_id)}",
        at=words.moment_words(s.at, reader.zone, reader.now),
        tolerance=f"tolerance {words.small(tolerances[group.route])}"
        if group.route in tolerances
        else "",
        legacy_head=f"Legacy {legacy_build.removeprefix('legacy-')}",
        legacy_note=_answer(s.legacy_status, s.legacy_us),
        candidate_head=f"Candidate {candidate_build.removeprefix('candidate-')}",
        candidate_note=_answer(s.candidate_status, s.candidate_us),
        rows=diff_rows(s.legacy_body, s.candidate_body, rules),
        position=f"{at + 1} of {len(samples)}",
        previous_url=url(at - 1),
        next_url=url(at + 1),
        request_body=s.request_body,
    )


def _intro(group: MismatchGroup, reader: Reader) -> str:
    parts = [group.description.rstrip(".") + "."] if group.description else []
    if group.max_distance is not None:
        largest = float(f"{group.max_distance:.2g}")
        parts.append(f"Largest difference {words.small(largest)}.")
    first = words.moment_words(group.first_seen_at, reader.zone, reader.now)
    parts.append(f"First seen {first}, last seen {words.ago(group.last_seen_at, reader.now)}.")
    return " ".join(parts)


def _answer(status: int, us: int) -> str:
    return f"{status}, {words.millis(us)}" if status else "no answer"


def accounts(view: MigrationView) -> tuple[Account, ...]:
    """Add up what became of every sampled request and pair; a leak is a visible number."""
    found: list[Account] = []
    taps = sampled_totals(view.accounting)
    if taps.get("sampled"):
        leak = taps["sampled"] - sum(taps.get(p, 0) for p in SAMPLE_PARTS)
        found.append(
            Account(
                total=words.count(taps["sampled"]),
                total_name="Sampled requests",
                parts=tuple(
                    Fact(PART_NAMES[p], words.count(taps[p]))
                    for p in SAMPLE_PARTS
                    if taps.get(p) or p == "pairs"
                ),
                leak="The sum comes out." if not leak else f"{words.count(leak)} unaccounted for.",
                status="pass" if not leak else "inc",
            )
        )
    found += _pair_account(view)
    return tuple(found)


def _pair_account(view: MigrationView) -> list[Account]:
    e = view.evidence
    compared = int(e.overall.compared.sum())
    uncomparable = sum(e.uncomparable.values())
    total = compared + uncomparable + e.excluded
    if not total:
        return []
    parts = [
        Fact("Compared", words.count(compared)),
        *(
            Fact(cause.replace("_", " ").capitalize(), words.count(n))
            for cause, n in sorted(e.uncomparable.items())
        ),
    ]
    if e.excluded:
        parts.append(Fact("Left out, legacy failed", words.count(e.excluded)))
    differ = int(e.overall.mismatched.sum())
    return [
        Account(
            total=words.count(total),
            total_name="Pairs judged",
            parts=tuple(parts),
            leak=f"{words.count(differ)} of the compared pairs differ.",
            status="pass" if not differ else "inc",
        )
    ]
