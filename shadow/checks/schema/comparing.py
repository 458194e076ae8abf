"""Two schemas, walked together: what is no longer accepted, or can no longer be read. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from shadow.checks.base import Finding, Severity
from shadow.checks.openapi.document import EMPTY, Document
from shadow.checks.openapi.reading import shape_of
from shadow.checks.openapi.shape import Ref, Shape
from shadow.checks.schema import words
from shadow.checks.schema.clauses import SOFT_IN_ANSWERS, Clause, narrower

MAX_DEPTH = 30
MAX_VISITS = 20_000


class Way(Enum):
    """Requests must stay acceptable: legacy's within the candidate's. Answers the other way."""

    REQUEST = "request"
    ANSWER = "response"


@dataclass(slots=True)
class Comparison:
    """Compares one schema of both documents. `where` begins each finding's place."""

    legacy: Document
    candidate: Document
    way: Way
    where: str
    _visited: set[tuple[int, int]] = field(default_factory=set)

    def compare(self, legacy: Ref, candidate: Ref, path: str = "$") -> Iterator[Finding]:
        """Yield the differences of two schemas and of everything below them."""
        visit = (id(legacy.node), id(candidate.node))
        if visit in self._visited or path.count(".") > MAX_DEPTH:
            return
        if len(self._visited) > MAX_VISITS:
            return
        self._visited.add(visit)
        ours, theirs = shape_of(self.legacy, legacy), shape_of(self.candidate, candidate)
        yield from self._level(ours, theirs, path)
        if ours.variants or theirs.variants:
            yield from self._variants(ours, theirs, legacy, candidate, path)
            if not (ours.properties and theirs.properties):
                return  # what the alternatives hold was compared with them
        yield from self._members(ours, theirs, path)
        yield from self._elements(ours, theirs, path)

    def _level(self, ours: Shape, theirs: Shape, path: str) -> Iterator[Finding]:
        request = self.way is Way.REQUEST
        inner, outer = (ours, theirs) if request else (theirs, ours)
        narrowed = list(narrower(inner, outer, path))
        for clause in narrowed:
            yield self._finding(clause, self._severity(clause))
        if request:
            said = {clause.code for clause in narrowed}
            for clause in narrower(theirs, ours, path):
                if clause.code not in said:
                    yield self._wider(clause)
            yield from self._default(ours, theirs, path)

    def _severity(self, clause: Clause) -> Severity:
        soft = self.way is Way.ANSWER and clause.code in SOFT_IN_ANSWERS
        return Severity.WARNING if soft else Severity.BREAKING

    def _finding(self, clause: Clause, severity: Severity) -> Finding:
        """Name a clause; `inner` is what must stay possible, legacy's in requests."""
        request = self.way is Way.REQUEST
        legacy, candidate = (
            (clause.inner, clause.outer) if request else (clause.outer, clause.inner)
        )
        code = f"{self.way.value}_{clause.code}"
        return Finding(
            code=code,
            where=self._place(clause.path),
            sentence=words.sentence(code, clause.path, legacy, candidate),
            severity=severity,
            legacy=legacy,
            candidate=candidate,
        )

    def _wider(self, clause: Clause) -> Finding:
        return Finding(
            code="accepts_more",
            where=self._place(clause.path),
            sentence=words.sentence("accepts_more", clause.path, clause.outer, clause.inner),
            severity=Severity.WARNING,
            legacy=clause.outer,
            candidate=clause.inner,
        )

    def _default(self, ours: Shape, theirs: Shape, path: str) -> Iterator[Finding]:
        a, b = _default_of(ours), _default_of(theirs)
        if a == b:
            return
        unstated = b is None
        code = "default_unstated" if unstated else "default_changed"
        yield Finding(
            code=code,
            where=self._place(path),
            sentence=words.sentence(code, path, a or "none", b or "none"),
            severity=Severity.WARNING if unstated else Severity.BREAKING,
            legacy=a or "none",
            candidate=b or "none",
        )

    def _variants(
        self, ours: Shape, theirs: Shape, legacy: Ref, candidate: Ref, path: str
    ) -> Iterator[Finding]:
        """Each alternative that must stay possible needs one on the other side that takes it."""
        mine = ours.variants or (legacy,)
        other = theirs.variants or (candidate,)
        if self.way is Way.ANSWER:
            lost = [b for b in other if not any(self._fits(a, b) for a in mine)]
        else:
            lost = [a for a in mine if not any(self._fits(a, b) for b in other)]
        if lost:
            clause = Clause("variant", path, f"{len(lost)} alternatives", "none that fits")
            yield self._finding(clause, Severity.BREAKING)

    def _fits(self, legacy: Ref, candidate: Ref) -> bool:
        inner = Comparison(self.legacy, self.candidate, self.way, self.where)
        inner._visited = set(self._visited)  # of its own kind
        found = inner.compare(legacy, candidate)
        return not any(finding.severity is Severity.BREAKING for finding in found)

    def _members(self, ours: Shape, theirs: Shape, path: str) -> Iterator[Finding]:
        if "object" not in ours.types & theirs.types:
            return
        lost = [name for name in ours.properties if name not in theirs.properties]
        new = [name for name in theirs.properties if name not in ours.properties]
        for name in lost:
            yield self._lost(name, ours, theirs, path, new if len(lost) == 1 else [])
        for name in new:
            yield self._new(name, ours, theirs, path)
        yield from self._need(ours, theirs, path)
        yield from self._further(ours, theirs, path)
        for name, ref in ours.properties.items():
            if name in theirs.properties:
                yield from self.compare(ref, theirs.properties[name], words.member(path, name))

    def _lost(self, name: str, ours: Shape, theirs: Shape, path: str, new: list[str]) -> Finding:
        place = words.member(path, name)
        if self.way is Way.REQUEST:
            code = "field_ignored" if theirs.additional else "field_refused"
            severity = Severity.BREAKING
        else:
            code = "field_removed"
            severity = Severity.BREAKING if name in ours.required else Severity.WARNING
        renamed = new[0] if len(new) == 1 else ""
        return Finding(
            code=code,
            where=self._place(place),
            sentence=words.lost(code, place, renamed),
            severity=severity,
            legacy=name,
            candidate=renamed or "none",
        )

    def _new(self, name: str, ours: Shape, theirs: Shape, path: str) -> Finding:
        place, severity, code = words.member(path, name), Severity.NOTE, "field_added"
        if self.way is Way.REQUEST and name in theirs.required:
            code, severity = "field_required", Severity.BREAKING
        elif self.way is Way.REQUEST and ours.additional is False:
            code, severity = "accepts_more", Severity.WARNING
        elif self.way is Way.ANSWER and ours.additional is False:
            code, severity = "field_unexpected", Severity.BREAKING
        return Finding(
            code=code,
            where=self._place(place),
            sentence=words.sentence(code, place, "no such field", name),
            severity=severity,
            legacy="none",
            candidate=name,
        )

    def _need(self, ours: Shape, theirs: Shape, path: str) -> Iterator[Finding]:
        """Fields that both know, but that one side needs, or promises, and the other does not."""
        both = ours.properties.keys() & theirs.properties.keys()
        if self.way is Way.REQUEST:
            names, code = theirs.required - ours.required, "field_required"
        else:
            names, code = ours.required - theirs.required, "field_optional"
        for name in sorted(names & both):
            place = words.member(path, name)
            yield Finding(
                code=code,
                where=self._place(place),
                sentence=words.sentence(code, place, *words.NEEDS[code]),
                legacy=words.NEEDS[code][0],
                candidate=words.NEEDS[code][1],
            )

    def _further(self, ours: Shape, theirs: Shape, path: str) -> Iterator[Finding]:
        """Members that no schema names: both must refuse them, or neither."""
        a, b = ours.additional is not False, theirs.additional is not False
        if a != b and (self.way is Way.REQUEST or b):
            code = "extra_accepted" if b else "extra_refused"
            answer = self.way is Way.ANSWER
            yield Finding(
                code="extra_sent" if answer else code,
                where=self._place(path),
                sentence=words.sentence("extra_sent" if answer else code, path, "", ""),
                severity=Severity.WARNING if answer else Severity.BREAKING,
                legacy=words.EXTRAS[a],
                candidate=words.EXTRAS[b],
            )
        if isinstance(ours.additional, Ref) and isinstance(theirs.additional, Ref):
            yield from self.compare(ours.additional, theirs.additional, f"{path}.*")

    def _elements(self, ours: Shape, theirs: Shape, path: str) -> Iterator[Finding]:
        if "array" in ours.types & theirs.types and (ours.items or theirs.items):
            anything = Ref(True, EMPTY)  # noqa: FBT003  # the schema that allows everything
            items = (ours.items or anything, theirs.items or anything)
            yield from self.compare(*items, f"{path}[*]")

    def _place(self, path: str) -> str:
        return f"{self.where} {path}"


def _default_of(shape: Shape) -> str | None:
    """Return the default; null where null is allowed is the same as none."""
    return None if shape.default == "null" else shape.default
