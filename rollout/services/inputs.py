"""Keep what verdicts were computed from, so that anybody can compute them again."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rollout.gates import Recorded, evidence_sha256
from rollout.models import Decision, DecisionVerdict, EvidenceInput


def inputs_sha256(document: dict[str, Any]) -> str:
    """Hash a document of inputs over its canonical JSON."""
    return hashlib.sha256(_bytes(document)).hexdigest()


def inputs_body(recorded: Sequence[Recorded]) -> list[dict[str, str]]:
    """Return the verdicts by hash, as they stand in the decision's ledger entry."""
    return [
        {
            "gate": one.gate,
            "route": one.route,
            "inputs_sha256": inputs_sha256(one.document),
            "evidence_sha256": evidence_sha256(one.evidence.to_dict()),
        }
        for one in recorded
    ]


def keep_inputs(decision: Decision, recorded: Sequence[Recorded], *, now: datetime) -> None:
    """Store each verdict of a decision with its inputs; equal inputs are stored once."""
    for one in recorded:
        raw = _bytes(one.document)
        given, _ = EvidenceInput.objects.get_or_create(
            sha256=hashlib.sha256(raw).hexdigest(),
            defaults={"body": zlib.compress(raw), "at": now},
        )
        evidence = one.evidence.to_dict()
        DecisionVerdict.objects.create(
            decision=decision,
            gate=one.gate,
            route=one.route,
            given=given,
            evidence=evidence,
            evidence_sha256=evidence_sha256(evidence),
        )


def read_inputs(given: EvidenceInput) -> dict[str, Any]:
    """Return the stored document."""
    found: dict[str, Any] = json.loads(zlib.decompress(bytes(given.body)))
    return found


def _bytes(document: dict[str, Any]) -> bytes:
    # Not `canonical` of the ledger: inputs hold floats, which that one refuses.
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")
