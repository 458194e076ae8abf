"""REST: figures are taken in strictly, and the table shows what there is."""

import pytest

from shadow.models import Measurement
from tests.rollout.builders import in_dual_run
from tests.rollout.test_load import client

pytestmark = pytest.mark.django_db
ONE = "/api/v1/migrations/embeddings/"
FIGURE = {"side": "legacy", "metric": "p99", "value": 12.5, "how": "one connection"}


def test_posted_figures_become_rows_with_a_factor() -> None:
    in_dual_run()
    operator = client("operator")
    for side, value in (("legacy", 12.5), ("candidate", 2.5)):
        sent = {**FIGURE, "side": side, "value": value}
        answer = operator.post(f"{ONE}measurements/", sent, format="json")
        assert answer.status_code == 201, answer.content
    first, *others = operator.get(f"{ONE}scorecard/").json()["rows"]
    assert (first["metric"], first["factor"], first["unit"]) == ("p99", 5.0, "ms")
    assert first["legacy"]["build"] == "legacy-1"
    assert all(row["legacy"] is row["factor"] is None for row in others)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", "both"),
        ("metric", "beauty"),
        ("value", "12"),
        ("value", -1),
        ("value", True),
        ("how", ""),
        ("at", "2999-01-01T00:00:00Z"),
        ("unit", "ms"),
    ],
)
def test_figures_are_read_strictly(field: str, value: object) -> None:
    in_dual_run()
    refused = client("operator").post(
        f"{ONE}measurements/", {**FIGURE, field: value}, format="json"
    )
    assert refused.status_code == 400
    assert refused.json()["field"] == field
    assert not Measurement.objects.exists()


def test_figures_need_an_operator() -> None:
    in_dual_run()
    assert client("viewer").post(f"{ONE}measurements/", FIGURE, format="json").status_code == 403
