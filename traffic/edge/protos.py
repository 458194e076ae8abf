"""Envoy's messages that the edge reads. Their modules are generated and carry no types."""

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.accesslog.v3 import als_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2
from google.protobuf.message import DecodeError

from traffic.edge.h2 import ProtocolError

Message = Any
"""A message of the package: its fields are known at run time only."""

_base: Any = base_pb2
_als: Any = als_pb2
_ext_proc: Any = external_processor_pb2

ProcessingRequest = _ext_proc.ProcessingRequest
RequestMethod = _base.RequestMethod
StreamAccessLogsMessage = _als.StreamAccessLogsMessage


def parse(kind: Message, data: bytes) -> Message:
    """Read a message. Raises ProtocolError: whoever sends garbage is not Envoy."""
    try:
        return kind.FromString(data)
    except DecodeError as exc:
        raise ProtocolError("not a message of this service") from exc
