"""Requests that break the contract, each with the answer that legacy gives.

The tests send all of them to both services; the generator mixes the light ones into its traffic.
"""

from dataclasses import dataclass
from typing import Any

JSON = "application/json"
MALFORMED = ("malformed_json", "body is not valid JSON", None)
NOT_AN_OBJECT = ("wrong_type", "body must be a JSON object", None)
MEDIA_TYPE = ("unsupported_media_type", "content-type must be application/json", None)
VALUE_RANGE = "must be between -1000000000 and 1000000000"
LIGHT_BYTES = 10_000
"""Larger bodies stay out of the generated traffic."""

Problem = tuple[str, str, str | None]
"""Code, message and field of the error."""


@dataclass(frozen=True, slots=True)
class WrongRequest:
    """One request and what it must be answered with."""

    name: str
    method: str
    path: str
    body: bytes
    content_type: str | None
    status: int
    problem: Problem

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        code, message, field = self.problem
        return {"error": {"code": code, "message": message, "field": field}}

    @property
    def light(self) -> bool:
        return len(self.body) <= LIGHT_BYTES


def wrong_requests() -> tuple[WrongRequest, ...]:
    """Build the whole table; some bodies are megabytes, so it is not built on import."""
    return (*_routing(), *_media_types(), *_malformed(), *_transform(), *_infer(), *_heavy())


def _post(name: str, path: str, body: bytes | str, problem: Problem) -> WrongRequest:
    raw = body.encode() if isinstance(body, str) else body
    return WrongRequest(name, "POST", path, raw, JSON, 422, problem)


def _field(field: str, code: str, words: str) -> Problem:
    return code, f"{field} {words}", field


def _wrong_type(field: str, kind: str) -> Problem:
    return _field(field, "wrong_type", f"must be {kind}")


def _routing() -> list[WrongRequest]:
    not_found = ("not_found", "no such path", None)
    paths = ("/", "/nope", "/infer/", "//infer", "/v1", "/v1/infer/x", "/INFER", "/docs")
    unknown = [
        WrongRequest(f"unknown path {path}", "POST", path, b'{"input":[1]}', JSON, 404, not_found)
        for path in paths
    ]
    methods = [
        *((method, "/infer", "POST") for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")),
        ("GET", "/v1/infer", "POST"),
        *(("POST", path, "GET") for path in ("/healthz", "/readyz", "/metrics", "/openapi.json")),
        ("OPTIONS", "/healthz", "GET"),
    ]
    return unknown + [
        WrongRequest(
            f"{method} {path}",
            method,
            path,
            b"",
            None,
            405,
            ("method_not_allowed", f"only {allowed} is allowed here", None),
        )
        for method, path, allowed in methods
    ]


def _media_types() -> list[WrongRequest]:
    kinds: list[str | None] = [None, "", "text/plain", "application/x-www-form-urlencoded"]
    kinds += ["application/jsonx", "application/vnd.api+json", "*/*", "json", ";application/json"]
    return [
        WrongRequest(f"content-type {kind}", "POST", path, b'{"input":[1]}', kind, 415, MEDIA_TYPE)
        for kind in kinds
        for path in ("/infer", "/v1/infer")
    ]


def _malformed() -> list[WrongRequest]:
    bodies: dict[str, bytes] = {
        "empty body": b"",
        "white space only": b" \n\t",
        "cut in the middle": b'{"input":[1,2',
        "trailing garbage": b'{"input":[1]} x',
        "two documents": b'{"input":[1]}{"input":[1]}',
        "byte order mark": b'\xef\xbb\xbf{"input":[1]}',
        "UTF-16": '{"input":[1]}'.encode("utf-16"),
        "broken UTF-8": b'{"input":[1],"\xff":1}',
        "single quotes": b"{'input':[1]}",
        "comment": b'{"input":[1] /* one */}',
        "trailing comma": b'{"input":[1,]}',
        "leading zero": b'{"input":[01]}',
        "leading plus": b'{"input":[+1]}',
        "no digit before the point": b'{"input":[.5]}',
        "no digit after the point": b'{"input":[1.]}',
        "empty exponent": b'{"input":[1e]}',
        "hexadecimal": b'{"input":[0x10]}',
        "lower case nan": b'{"input":[nan]}',
        "minus NaN": b'{"input":[-NaN]}',
        "half a surrogate pair": b'{"input":[1],"\\ud800":1}',
        "control character in a string": b'{"input":[1],"a\x01":1}',
        "unknown escape": b'{"input":[1],"\\x":1}',
        "form data": b"input=1&input=2",
        "HTML": b"<html></html>",
        "NUL byte": b'{"input":[1]}\x00',
        "vertical tab as white space": b'\x0b{"input":[1]}',
        "nested too deep": b'{"input":' + b"[" * 201 + b"]" * 201 + b"}",
        "integer of 5,000 digits": b'{"input":[' + b"9" * 5000 + b"]}",
    }
    broken = [_post(name, "/infer", body, MALFORMED) for name, body in bodies.items()]
    shapes = ("[]", "null", "true", "3", '"input"', "[[1.0]]", "NaN", '["a",[1]]')
    return broken + [
        _post(f"body is {shape}", path, shape, NOT_AN_OBJECT)
        for shape in shapes
        for path in ("/infer", "/v1/infer")
    ]


def _transform() -> list[WrongRequest]:
    unknown = "is not a known field"
    rows: list[tuple[str, str, Problem]] = [
        ("missing", "{}", _field("input", "missing_field", "is required")),
        ("misspelt", '{"inputs":[1]}', _field("input", "missing_field", "is required")),
        ("unknown field", '{"input":[1],"x":1}', _field("x", "unknown_field", unknown)),
        ("two unknown", '{"z":1,"input":[1],"y":1}', _field("z", "unknown_field", unknown)),
        ("empty name", '{"input":[1],"":1}', _field("", "unknown_field", unknown)),
        ("name in capitals", '{"input":[1],"INPUT":1}', _field("INPUT", "unknown_field", unknown)),
        ("escaped name", '{"input":[1],"\\u00e9\\n":1}', _field("é\n", "unknown_field", unknown)),
        (
            "long name",
            '{"input":[1],"' + "é" * 100 + '":1}',
            _field("é" * 64, "unknown_field", unknown),
        ),
        (
            "unknown and as deep as JSON may be",
            '{"input":[1],"x":' + "[" * 200 + "]" * 200 + "}",
            _field("x", "unknown_field", unknown),
        ),
        ("null", '{"input":null}', _wrong_type("input", "an array")),
        ("one number", '{"input":1}', _wrong_type("input", "an array")),
        ("string", '{"input":"1,2"}', _wrong_type("input", "an array")),
        ("object", '{"input":{"0":1}}', _wrong_type("input", "an array")),
        ("null inside", '{"input":[1,null]}', _wrong_type("input[1]", "a number")),
        ("bool inside", '{"input":[true]}', _wrong_type("input[0]", "a number")),
        ("numeric string", '{"input":["1"]}', _wrong_type("input[0]", "a number")),
        ("nested", '{"input":[[1]]}', _wrong_type("input[0]", "a number")),
        ("object inside", '{"input":[1,{}]}', _wrong_type("input[1]", "a number")),
        ("first of two", '{"input":[1,"a",null]}', _wrong_type("input[1]", "a number")),
        ("field before unknown", '{"x":1,"input":["a"]}', _wrong_type("input[0]", "a number")),
        ("last of two keys", '{"input":[1],"input":[null]}', _wrong_type("input[0]", "a number")),
        ("empty", '{"input":[]}', _field("input", "too_few_values", "must hold at least 1 value")),
    ]
    literals = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400)
    finite = "must be a finite number"
    rows += [
        (f"not finite: {x[:9]}", f'{{"input":[0,{x}]}}', _field("input[1]", "not_finite", finite))
        for x in literals
    ]
    far = ("1000000001", "-1e10", "1e39", "1.0000000000000002e9", "9" * 30)
    far_away = _field("input[0]", "out_of_range", VALUE_RANGE)
    rows += [(f"out of range: {x[:22]}", f'{{"input":[{x}]}}', far_away) for x in far]
    return [_post(f"input: {name}", "/infer", body, problem) for name, body, problem in rows]


def _infer() -> list[WrongRequest]:
    start = '{"model":"m","inputs":[1]'
    known = "is not a known field"
    length = _field("model", "out_of_range", "must be 1 to 64 characters long")
    integer, number = _wrong_type("top_k", "an integer"), _wrong_type("temperature", "a number")
    top_k_range = _field("top_k", "out_of_range", "must be between 1 and 1000")
    heat = _field("temperature", "out_of_range", "must be between 0.01 and 100")
    not_finite = _field("temperature", "not_finite", "must be a finite number")
    rows: list[tuple[str, str, Problem]] = [
        ("nothing", "{}", _field("model", "missing_field", "is required")),
        ("no inputs", '{"model":"m"}', _field("inputs", "missing_field", "is required")),
        ("no model", '{"inputs":[1]}', _field("model", "missing_field", "is required")),
        (
            "other route's field",
            '{"model":"m","input":[1]}',
            _field("inputs", "missing_field", "is required"),
        ),
        ("unknown field", start + ',"topk":3}', _field("topk", "unknown_field", known)),
        ("model null", '{"model":null,"inputs":[1]}', _wrong_type("model", "a string")),
        ("model number", '{"model":3,"inputs":[1]}', _wrong_type("model", "a string")),
        ("model NaN", '{"model":NaN,"inputs":[1]}', _wrong_type("model", "a string")),
        ("model empty", '{"model":"","inputs":[1]}', length),
        ("model long", '{"model":"' + "é" * 65 + '","inputs":[1]}', length),
        ("model twice", '{"model":"m","model":3,"inputs":[1]}', _wrong_type("model", "a string")),
        ("model and inputs wrong", '{"model":1,"inputs":1}', _wrong_type("model", "a string")),
        ("inputs string", '{"model":"m","inputs":"1"}', _wrong_type("inputs", "an array")),
        ("value string", '{"model":"m","inputs":["1"]}', _wrong_type("inputs[0]", "a number")),
        (
            "value NaN",
            '{"model":"m","inputs":[NaN]}',
            _field("inputs[0]", "not_finite", "must be a finite number"),
        ),
        (
            "value far",
            '{"model":"m","inputs":[2e9]}',
            _field("inputs[0]", "out_of_range", VALUE_RANGE),
        ),
        (
            "inputs empty",
            '{"model":"m","inputs":[]}',
            _field("inputs", "too_few_values", "must hold at least 1 value"),
        ),
    ]
    rows += _options("top_k", ("null", "true", "5.0", "1e2", '"5"', "NaN", "1e400", "[5]"), integer)
    rows += _options("top_k", ("0", "-0", "-1", "1001", "9" * 30), top_k_range)
    rows += _options("temperature", ("null", "false", '"1"', "[1]", "{}"), number)
    rows += _options("temperature", ("0", "-1", "0.0099", "100.00000000000001", "9" * 30), heat)
    rows += _options("temperature", ("NaN", "Infinity", "1e400"), not_finite)
    return [_post(f"v1: {name}", "/v1/infer", body, problem) for name, body, problem in rows]


def _options(name: str, texts: tuple[str, ...], problem: Problem) -> list[tuple[str, str, Problem]]:
    start = '{"model":"m","inputs":[1],'
    return [(f"{name} {text[:22]}", f'{start}"{name}":{text}}}', problem) for text in texts]


def _heavy() -> list[WrongRequest]:
    many = _field("input", "too_many_values", "must hold at most 100000 values")
    zeros = b"0," * 99_999 + b"0"
    limit = 4 * 1024 * 1024
    large = ("body_too_large", f"body must be at most {limit} bytes", None)
    fat = b'{"input":[1]}'.ljust(limit + 1)
    return [
        _post("100,001 values", "/infer", b'{"input":[' + zeros + b",0]}", many),
        _post("too many, the last one wrong", "/infer", b'{"input":[' + zeros + b",null]}", many),
        _post(
            "too many, the first one wrong",
            "/infer",
            b'{"input":[null,' + zeros + b"]}",
            _wrong_type("input[0]", "a number"),
        ),
        WrongRequest("one byte too large", "POST", "/infer", fat, JSON, 413, large),
        WrongRequest("large for v1", "POST", "/v1/infer", fat, JSON, 413, large),
        WrongRequest("large, not JSON", "POST", "/infer", b"x" * (limit + 9), JSON, 413, large),
        WrongRequest("large, wrong type", "POST", "/infer", fat, "text/plain", 415, MEDIA_TYPE),
    ]
