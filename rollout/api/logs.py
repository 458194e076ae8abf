"""REST: log lines of one side, posted as they were written."""

from collections.abc import Mapping
from typing import IO, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import services
from rollout.api.base import DOCUMENT, BanyanView
from rollout.api.documents import moment
from rollout.exceptions import InvalidError, TooLargeError
from rollout.lifecycle import Action

MAX_BYTES = 1_048_576
MAX_LINES = 5000
MAX_LINE_BYTES = 16_384


class PlainTextParser(BaseParser):
    """Hands over `text/plain` bodies as bytes, at most MAX_BYTES of them."""

    media_type = "text/plain"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read the body; TooLargeError beyond MAX_BYTES."""
        raw: bytes = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise TooLargeError(f"The body is larger than {MAX_BYTES} bytes: post it in parts.")
        return raw


class NdjsonParser(PlainTextParser):
    """The same for lines of JSON; what each line holds is not looked at."""

    media_type = "application/x-ndjson"


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
