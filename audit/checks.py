"""What is wrong with the ledger's files, said when Banyan starts."""

from typing import Any

from django.core import checks

from audit import conf, keys
from audit.anchors import further_anchors
from audit.errors import AnchorProblemError, KeyProblemError


@checks.register("audit")
def check_files(**_options: Any) -> list[checks.CheckMessage]:
    """Warn of a key that cannot be used and of an anchor that is none; both stop no start."""
    found: list[checks.CheckMessage] = []
    if conf.key_path().exists():
        try:
            keys.load(conf.key_path())
        except KeyProblemError as error:
            hint = "Decisions go on, but are not anchored; promotions close after a while."
            found.append(checks.Warning(str(error), hint=hint, id="audit.W001"))
    try:
        further_anchors()
    except AnchorProblemError as error:
        hint = "Name functions that return an audit.anchors.Anchor."
        found.append(checks.Warning(str(error), hint=hint, id="audit.W002"))
    return found
