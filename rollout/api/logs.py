"""REST: log lines of one side, posted as they were written."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.parsers import NdjsonParser, PlainTextParser
from rollout import services
from rollout.api.base import DOCUMENT, BanyanView
from rollout.api.documents import moment
from rollout.exceptions import InvalidError
from rollout.lifecycle import Action

MAX_LINES = 5000
MAX_LINE_BYTES = 16_384


class LogLinesView(BanyanView):
    """Lines of one side."""

    parser_classes = (NdjsonParser, PlainTextParser)

    @extend_schema(
        operation_id="post_log_lines",
        request={"application/x-ndjson": OpenApiTypes.STR, "text/plain": OpenApiTypes.STR},
        responses={201: DOCUMENT},
    )
    def post(self, request: Request, slug: str, side: str) -> Response:
        """Keep up to 5,000 lines of the side's present build; secrets are replaced first."""
        batch = self.attempt(
            request,
            slug,
            Action.RUN_CHECK,
            services.post_lines,
            slug=slug,
            side=side,
            lines=_lines(request.data),
        )
        kept = {"side": side, "lines": batch.lines, "build": batch.build}
        return Response({**kept, "expires_at": moment(batch.expires_at)}, status=201)


def _lines(data: Any) -> list[str]:
    """Return the lines that hold anything, or refuse and say which line is wrong."""
    raw = data if isinstance(data, bytes) else b""  # an empty body does not reach the parser
    found = []
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if len(line) > MAX_LINE_BYTES:
            words = f"Line {number} is longer than {MAX_LINE_BYTES} bytes."
            raise InvalidError(words, field=f"line {number}", code="line_too_long")
        if line.strip():
            # What the database cannot hold, nor anybody read, is shown as a replacement character.
            text = line.decode("utf-8", errors="replace").replace("\x00", "\ufffd")
            found.append(text.rstrip("\r"))
    if not found:
        raise InvalidError("There is no line in the body.", field="body", code="no_lines")
    if len(found) > MAX_LINES:
        words = f"{len(found)} lines are more than {MAX_LINES}: post them in parts."
        raise InvalidError(words, field="body", code="too_many_lines")
    return found
