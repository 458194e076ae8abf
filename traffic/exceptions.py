"""What can be wrong with something an edge sends or asks."""


class TrafficError(Exception):
    """Base of this package's refusals; `status` and `code` are what the edge API answers."""

    status = 400
    code = "invalid"
    field: str | None = None


class ReportError(TrafficError):
    """A report that cannot be read; the message begins with the field."""

    code = "invalid_report"

    @property
    def field(self) -> str:  # type: ignore[override]  # of others there is none
        """The field that is wrong."""
        return str(self).partition(":")[0]


class UnknownLineageError(TrafficError):
    """The proxy's state is of another database: it keeps what it has until a person decides."""

    status = 409
    code = "unknown_lineage"


class ForeignProxyError(TrafficError):
    """The token belongs to another proxy than the one named."""

    status = 403
    code = "foreign_proxy"


class LegacyGoneError(TrafficError):
    """Something asks a decommissioned split to change: nothing leads back to its legacy."""

    status = 409
    code = "legacy_gone"
