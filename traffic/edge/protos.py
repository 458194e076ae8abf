"""Envoy's messages that the edge reads. Their modules are generated and carry no types."""

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.accesslog.v3 import als_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2

Message = Any
"""A message of the package: its fields are known at run time only."""

_base: Any = base_pb2
_als: Any = als_pb2
_ext_proc: Any = external_processor_pb2

ProcessingRequest = _ext_proc.ProcessingRequest
RequestMethod = _base.RequestMethod
StreamAccessLogsMessage = _als.StreamAccessLogsMessage
