"""Spans of both clients, as OpenTelemetry's own SDK records them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from either import Make
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import countersign
from countersign.testing import FakePlatform

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    exporter.clear()
    yield


def attributes_of(number: int) -> dict[str, Any]:
    return dict(exporter.get_finished_spans()[number].attributes or {})


def test_a_call_is_a_span_under_that_of_its_caller(make: Make) -> None:
    platform = FakePlatform()
    client = make(platform)
    platform.fault = lambda request: "refuse" if (request.method, request.region) == ("POST", "a") else None
    with trace.get_tracer("application").start_as_current_span("sign up") as caller:
        client.register({"user_id": "ada"})
    call, _ = exporter.get_finished_spans()
    assert (call.name, call.kind, call.status.status_code.name) == (
        "POST /v1/register",
        trace.SpanKind.CLIENT,
        "UNSET",
    )
    assert call.parent
    assert call.parent.span_id == caller.get_span_context().span_id
    found = attributes_of(0)
    assert found.pop("countersign.request_id")
    assert found == {
        "http.request.method": "POST",
        "url.template": "/v1/register",
        "http.response.status_code": 201,
        "http.request.resend_count": 1,
        "countersign.region": "b",
    }


def test_a_span_of_a_call_that_fails_has_its_code_and_no_text_of_the_application(make: Make) -> None:
    platform = FakePlatform()
    with pytest.raises(countersign.NotFoundError):
        make(platform).get("x" * 43)
    found = attributes_of(0)
    assert (found["error.type"], found["http.response.status_code"]) == ("not_found", 404)
    assert found["url.template"] == "/v1/registrations/{id}"

    def fails(_: object) -> None:
        raise RuntimeError("a text of the application")

    with pytest.raises(RuntimeError):
        make(platform, on_request=fails).register({"user_id": "ada"})
    assert attributes_of(1)["error.type"] == "_OTHER"
    assert "a text of" not in exporter.get_finished_spans()[1].to_json()
