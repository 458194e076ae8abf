"""Whatever breaks the contract is answered alike, down to the words."""

import pytest
from wrong_requests import WrongRequest, wrong_requests

from tests.examples.services import Answer, Service

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
TABLE = wrong_requests()


def ask(service: Service, row: WrongRequest) -> Answer:
    return service.send(row.method, row.path, row.body, row.content_type)


def differences(service: Service) -> list[str]:
    found = []
    for row in TABLE:
        answer = ask(service, row)
        if (answer.status, answer.content_type) != (row.status, "application/json"):
            found.append(f"{row.name}: {answer.status} {answer.content_type} {answer.body!r:.99}")
        elif answer.json() != row.answer:
            found.append(f"{row.name}: {answer.body!r:.99}, not {row.answer}")
    return found


def test_rows_of_the_table_have_names_of_their_own():
    requests = {(row.method, row.path, row.body, row.content_type) for row in TABLE}
    assert len(requests) == len(TABLE) > 150


def test_legacy_answers_every_wrong_request_as_the_table_says(legacy: Service):
    assert differences(legacy) == []


def test_a_replacement_answers_every_wrong_request_as_the_table_says(replacement: Service):
    assert differences(replacement) == []


def test_a_wrong_method_names_the_right_one(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        assert service.send("GET", "/infer").headers["allow"] == "POST"
        assert service.send("DELETE", "/readyz").headers["allow"] == "GET"


def test_head_is_refused_without_a_body(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        answer = service.send("HEAD", "/healthz")
        assert (answer.status, answer.body) == (405, b"")


def test_a_refusal_leaves_the_connection_usable(replacement: Service):
    large = next(row for row in TABLE if row.status == 413)
    assert ask(replacement, large).status == 413
    assert replacement.post("/infer", {"input": [1.0]}).status == 200


def test_large_bodies_to_wrong_places_still_get_their_answer(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        body = b"x" * 8 * 1024 * 1024
        assert service.send("POST", "/nope", body, "application/json").status == 404
        assert service.send("PUT", "/infer", body, "application/json").status == 405
