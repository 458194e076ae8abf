"""What other people wrote and we serve is exactly what we vetted."""

import gzip
import hashlib
import json
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "static"
MANIFEST = json.loads((STATIC / "vendor" / "vendor.json").read_text())


def test_every_vendored_file_has_the_recorded_hash_and_a_licence():
    for item in MANIFEST:
        digest = hashlib.sha512((STATIC / item["file"]).read_bytes()).hexdigest()
        assert digest == item["sha512"], f"{item['file']} was altered"
        assert item["licence"]


def test_no_vendored_script_or_font_is_missing_from_the_manifest():
    listed = {item["file"] for item in MANIFEST}
    found = {
        str(path.relative_to(STATIC))
        for pattern in ("vendor/*.js", "fonts/*.woff2")
        for path in STATIC.glob(pattern)
    }
    assert found == listed


def test_first_visit_stays_within_its_budget():
    def weight(pattern: str) -> int:
        return sum(len(gzip.compress(p.read_bytes(), 9)) for p in STATIC.glob(pattern))

    fonts = sum(p.stat().st_size for p in (STATIC / "fonts").glob("*.woff2"))
    assert weight("js/*.js") <= 4 * 1024
    assert weight("css/*.css") <= 14 * 1024
    assert weight("vendor/*.js") <= 24 * 1024
    assert weight("js/*.js") + weight("css/*.css") + weight("vendor/*.js") + fonts <= 80 * 1024
