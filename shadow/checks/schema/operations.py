"""Two documents, compared operation by operation: parameters, bodies, answers. Pure."""

from collections.abc import Callable, Iterator, Mapping

from shadow.checks.base import Finding, Severity
from shadow.checks.openapi.document import Document, Node, Operation, mapped
from shadow.checks.openapi.reading import media_schemas, parameter_ref
from shadow.checks.openapi.shape import Ref
from shadow.checks.schema.comparing import Comparison, Way

Named = Mapping[tuple[str, str], Node]


def compare_documents(
    legacy: Document, candidate: Document, tick: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Return every difference, in the order of legacy's document; `tick` hears each operation."""
    ours, theirs = legacy.operations(), candidate.operations()
    found: list[Finding] = []
    for key, operation in ours.items():
        tick(operation.label)
        other = theirs.get(key)
        if other is None:
            found.append(_missing(operation))
        else:
            found += _Pair(legacy, candidate, operation, other).compare()
    found += [_added(theirs[key]) for key in theirs if key not in ours]
    found += [*_broken(legacy, "Legacy"), *_broken(candidate, "The candidate")]
    return found


def _missing(operation: Operation) -> Finding:
    return Finding(
        code="operation_missing",
        where=operation.label,
        sentence=f"The candidate does not describe {operation.label}.",
        legacy=operation.label,
        candidate="none",
    )


def _added(operation: Operation) -> Finding:
    return Finding(
        code="operation_added",
        where=operation.label,
        sentence=f"The candidate describes {operation.label}, legacy does not.",
        severity=Severity.NOTE,
        legacy="none",
        candidate=operation.label,
    )


def _broken(document: Document, side: str) -> Iterator[Finding]:
    for problem in document.problems[:20]:
        yield Finding(
            code=problem.code,
            where=problem.where,
            sentence=f"{side}'s document cannot be read at {problem.where}: {problem.detail}.",
            severity=Severity.WARNING,
        )


class _Pair:
    """One operation as both documents describe it."""

    def __init__(
        self, legacy: Document, candidate: Document, ours: Operation, theirs: Operation
    ) -> None:
        self._documents = (legacy, candidate)
        self._ours = ours
        self._theirs = theirs
        self._label = ours.label

    def compare(self) -> Iterator[Finding]:
        """Yield the differences of the operation."""
        yield from self._parameters()
        yield from self._bodies()
        yield from self._answers()

    def _schemas(self, way: Way, place: str, ours: Ref, theirs: Ref) -> Iterator[Finding]:
        where = f"{self._label} {place}"
        yield from Comparison(*self._documents, way, where).compare(ours, theirs)

    def _one(
        self, code: str, place: str, said: str, *, severity: Severity = Severity.BREAKING,
        legacy: str = "", candidate: str = "",
    ) -> Finding:  # fmt: skip
        where = f"{self._label} {place}".strip()
        return Finding(
            code=code, where=where, sentence=said, severity=severity,
            legacy=legacy, candidate=candidate,
        )  # fmt: skip

    def _parameters(self) -> Iterator[Finding]:
        ours, theirs = _named(self._ours), _named(self._theirs)
        for key, node in ours.items():
            place = " ".join(key)
            if key not in theirs:
                yield self._one(
                    "parameter_missing", place, f"The candidate does not know the {place}."
                )
                continue
            other = theirs[key]
            if other.get("required") is True and node.get("required") is not True:
                yield self._one(
                    "parameter_required", place, f"The candidate needs the {place}, legacy not.",
                    legacy="optional", candidate="required",
                )  # fmt: skip
            yield from self._schemas(Way.REQUEST, place, parameter_ref(node), parameter_ref(other))
        for key, node in theirs.items():
            if key not in ours:
                yield self._new_parameter(" ".join(key), required=node.get("required") is True)

    def _new_parameter(self, place: str, *, required: bool) -> Finding:
        if required:
            said = f"The candidate needs the {place}, which legacy does not know."
            return self._one("parameter_required", place, said, candidate="required")
        said = f"The candidate knows the {place}, legacy does not."
        return self._one("parameter_added", place, said, severity=Severity.NOTE)

    def _bodies(self) -> Iterator[Finding]:
        ours, theirs = (
            document.resolve(operation.node.get("requestBody"))
            for document, operation in zip(self._documents, (self._ours, self._theirs), strict=True)
        )
        if theirs.get("required") is True and ours.get("required") is not True:
            yield self._one(
                "body_required", "request", "The candidate needs a body, legacy does not.",
                legacy="optional", candidate="required",
            )  # fmt: skip
        yield from self._media(ours, theirs, Way.REQUEST, "request")

    def _media(self, ours: Node, theirs: Node, way: Way, place: str) -> Iterator[Finding]:
        a, b = media_schemas(ours.get("content")), media_schemas(theirs.get("content"))
        for name, schema in a.items():
            other = b.get(name) or b.get("*/*") or b.get(name.partition("/")[0] + "/*")
            if other is None:
                verb = "take" if way is Way.REQUEST else "answer"
                said = f"The candidate does not {verb} {name}."
                yield self._one(
                    "media_type", place, said, legacy=name, candidate=", ".join(b) or "none"
                )
            else:
                yield from self._schemas(way, place, schema, other)

    def _answers(self) -> Iterator[Finding]:
        ours, theirs = (
            {str(status).upper(): raw for status, raw in mapped(o.node.get("responses")).items()}
            for o in (self._ours, self._theirs)
        )
        for status, raw in ours.items():
            place, other = f"response {status}", _status(theirs, status)
            if other is None:
                yield self._one(
                    "status_missing", place, f"The candidate never answers {status}.",
                    severity=_weight(status), legacy=status, candidate=", ".join(theirs),
                )  # fmt: skip
            else:
                resolved = (self._documents[0].resolve(raw), self._documents[1].resolve(other))
                yield from self._media(*resolved, Way.ANSWER, place)
        for status in theirs:
            if _status(ours, status) is None:
                yield self._one(
                    "status_added", f"response {status}", f"Legacy never answers {status}.",
                    severity=_weight(status), legacy=", ".join(ours), candidate=status,
                )  # fmt: skip


def _weight(status: str) -> Severity:
    """A success that is named otherwise breaks readers; errors are what another check asks for."""
    return Severity.BREAKING if status[:1] in ("2", "3") else Severity.WARNING


def _status(answers: Mapping[str, object], status: str) -> object | None:
    """Return what a document says of a status: itself, its range, else the default."""
    for name in (status, f"{status[:1]}XX", "DEFAULT"):
        if name in answers:
            return answers[name]
    return None


def _named(operation: Operation) -> Named:
    """Return parameters by place and name; those of the path by their turn, as names differ."""
    found: dict[tuple[str, str], Node] = {}
    inside = [p for p in operation.parameters if p.get("in") == "path"]
    inside.sort(key=lambda p: operation.path.find("{" + str(p.get("name")) + "}"))
    for at, parameter in enumerate(inside):
        found["path parameter", f"{at + 1}"] = parameter
    for parameter in operation.parameters:
        place, name = str(parameter.get("in", "")), str(parameter.get("name", ""))
        if place != "path":
            found[f"{place} parameter", name.lower() if place == "header" else name] = parameter
    return found
