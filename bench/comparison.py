"""The comparison engine against deepdiff, and against the floor of only parsing both bodies.

Nothing is timed before a corpus of matches and mismatches is judged as it should be.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson
from deepdiff import DeepDiff

from bench.harness import Result, Series, paired, ratio
from shadow.comparison import Answer, Rules, compare

HEADERS = (
    ("content-type", "application/json"),
    ("date", "Mon, 23 Nov 2026 08:00:00 GMT"),
    ("server", "envoy"),
)
RULES = Rules(atol=1e-4, ignore=("$.latency_ms", "$.version"))
IGNORED = ["root['latency_ms']", "root['version']"]
GOAL_AGAINST_DEEPDIFF = 100.0
# Pairs per CPU-second, relative to only parsing both bodies.
GOAL_AGAINST_PARSING = {"3_floats": 0.4, "1k_floats": 1.0, "nested": 0.35, "100k_floats": 1.0}
PAIRS = 8


@dataclass(frozen=True, slots=True)
class Case:
    """Two bodies and whether they match."""

    legacy: bytes
    candidate: bytes
    match: bool
    answers: tuple[Answer, Answer] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        answers = Answer(200, HEADERS, self.legacy), Answer(200, HEADERS, self.candidate)
        object.__setattr__(self, "answers", answers)


def run() -> dict[str, Result]:
    """Verify the engines on matches and mismatches, then time them on matches.

    Bodies differ by 1e-6 in every number, and so in their bytes; reporting a mismatch costs more,
    and is timed for itself.
    """
    cases = {
        "3_floats": vectors(3),
        "1k_floats": vectors(1000),
        "nested": nested(),
        "100k_floats": vectors(100_000),
    }
    for name, found in {**cases, "corpus": corpus()}.items():
        verify(f"compare on {name}", banyan, found)
    for name in ("3_floats", "nested"):
        verify(f"deepdiff on {name}", deepdiff, cases[name])
    verify("deepdiff on the corpus", deepdiff, corpus())
    results = {}
    for name, found in cases.items():
        matching = [case for case in found if case.match]
        results[f"comparison_vs_parsing_{name}"] = against_parsing(
            matching, GOAL_AGAINST_PARSING[name]
        )
        if name != "100k_floats":  # deepdiff takes seconds for one pair of these
            results[f"comparison_vs_deepdiff_{name}"] = against_deepdiff(matching)
    mismatching = [case for case in cases["1k_floats"] if not case.match]
    results["comparison_vs_parsing_1k_floats_mismatch"] = against_parsing(mismatching, 0.2)
    return results


def against_deepdiff(cases: Sequence[Case]) -> Result:
    """Return how many times the pairs of deepdiff Banyan compares per CPU-second."""
    series = paired({"banyan": batch(banyan, cases), "deepdiff": batch(deepdiff, cases[:2])})
    return Result(
        value=round(ratio(series["deepdiff"], series["banyan"]), 1),
        unit="x the pairs per CPU-second of deepdiff",
        goal=GOAL_AGAINST_DEEPDIFF,
        direction="min",
        runs=len(series["banyan"].seconds),
        how=f"{_rates(series)}; parsing included on both sides, all pairs match",
    )


def against_parsing(cases: Sequence[Case], goal: float) -> Result:
    """Return the pairs per CPU-second, relative to parsing both bodies and no more."""
    series = paired({"banyan": batch(banyan, cases), "parsing": batch(parsing, cases)})
    return Result(
        value=round(ratio(series["parsing"], series["banyan"]), 3),
        unit="x the pairs per CPU-second of two orjson.loads",
        goal=goal,
        direction="min",
        runs=len(series["banyan"].seconds),
        how=f"{_rates(series)}; {len(cases[0].legacy):,} bytes, all pairs differ in their bytes",
    )


def _rates(series: dict[str, Series]) -> str:
    return ", ".join(
        f"{name} {found.per_cpu_second:,.0f} pairs/CPU-s ({found.spread})"
        for name, found in series.items()
    )


def banyan(case: Case) -> bool:
    return compare(*case.answers, RULES).kind == "match"


def deepdiff(case: Case) -> bool:
    difference = DeepDiff(
        orjson.loads(case.legacy),
        orjson.loads(case.candidate),
        math_epsilon=RULES.atol,
        ignore_numeric_type_changes=True,
        exclude_paths=IGNORED,
    )
    return not difference


def parsing(case: Case) -> bool:
    orjson.loads(case.legacy)
    orjson.loads(case.candidate)
    return True


def batch(engine: Callable[[Case], bool], cases: Sequence[Case]) -> Callable[[], int]:
    """Return a side for `paired`: every case once."""

    def side() -> int:
        for case in cases:
            engine(case)
        return len(cases)

    return side


def verify(name: str, engine: Callable[[Case], bool], cases: Sequence[Case]) -> None:
    """Raise ValueError when an engine misjudges a case: its speed would mean nothing."""
    for case in cases:
        if engine(case) != case.match:
            raise ValueError(f"{name} misjudges {case.legacy[:80]!r} {case.candidate[:80]!r}")


def vectors(length: int) -> list[Case]:
    """Return the guide's answers: a vector, of which the last pair drifts by 3e-4 in one place."""
    source = random.Random(length)
    cases = []
    for number in range(PAIRS):
        legacy = [source.uniform(-200, 200) for _ in range(length)]
        candidate = [x + 1e-6 for x in legacy]
        match = number < PAIRS - 1
        if not match:
            candidate[length // 2] += 3e-4
        cases.append(Case(answer(legacy, 1.5), answer(candidate, 0.4), match))
    return cases


def answer(outputs: object, latency_ms: float) -> bytes:
    version = "legacy" if latency_ms > 1 else "candidate"
    document = {"model": "m", "outputs": outputs, "latency_ms": latency_ms, "version": version}
    return orjson.dumps(document)


def nested() -> list[Case]:
    """Return answers of about 35 KB: objects in lists in objects, texts and numbers."""
    source = random.Random(35)
    cases = []
    for number in range(PAIRS):
        rows = [
            {
                "id": index,
                "label": f"row {index}: of many",
                "score": source.random(),
                "box": [source.random() for _ in range(4)],
                "tags": {"kind": "a", "rare": False, "parent": None},
            }
            for index in range(170)
        ]
        match = number < PAIRS - 1
        other = [{**row, "score": row["score"] + 1e-6} for row in rows]  # type: ignore[operator]
        if not match:
            other[100] = {**other[100], "label": "another"}
        cases.append(Case(answer(rows, 1.5), answer(other, 0.4), match))
    return cases


def corpus() -> list[Case]:
    """Return small answers of every kind on which the engines must agree."""
    return [
        Case(legacy, candidate, match)
        for legacy, candidate, match in (
            (b'{"a":1.0}', b'{"a":1.00009}', True),
            (b'{"a":1.0}', b'{"a":1.0002}', False),
            (b'{"a":1}', b'{"a":1.0}', True),
            (b'{"a":-0.0}', b'{"a":0.0}', True),
            (b'{"a":1,"b":2}', b'{"b":2,"a":1}', True),
            (b'{"a":[1,2]}', b'{"a":[2,1]}', False),
            (b'{"a":[1,2]}', b'{"a":[1,2,3]}', False),
            (b'{"a":[]}', b'{"a": []}', True),
            (b'{"a":1}', b'{"a":1,"b":1}', False),
            (b'{"a":1,"b":1}', b'{"a":1}', False),
            (b'{"a":"1"}', b'{"a":1}', False),
            (b'{"a":null}', b'{"a":0}', False),
            (b'{"a":"x"}', b'{"a":"X"}', False),
            (b'{"a":true}', b'{"a":false}', False),
            (b'{"latency_ms":1}', b'{"latency_ms":2}', True),
            (b'{"a":{"b":[{"c":1.0}]}}', b'{"a":{"b":[{"c":1.5}]}}', False),
        )
    ]
