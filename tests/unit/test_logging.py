"""Logs: one shape for all, fields of the moment, no secrets."""

import io
import json
import logging as standard_logging
from decimal import Decimal
from uuid import UUID

import pytest
import structlog

from backend import logging
from backend.config import LogFormat, LogLevel


@pytest.fixture
def written(logging_restored: None) -> io.StringIO:
    stream = io.StringIO()
    logging.configure(LogFormat.JSON, LogLevel.INFO, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_level_logger_and_utc_time(written: io.StringIO):
    structlog.get_logger("backend.payments").info("payment.recorded", amount=Decimal("0.10"))
    (line,) = lines(written)
    assert line["event"] == "payment.recorded"
    assert line["level"] == "info"
    assert line["logger"] == "backend.payments"
    assert line["amount"] == "0.10"
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_write_the_same_shape_with_the_same_fields(written: io.StringIO):
    logging.bind_afresh(correlation_id="abc")
    standard_logging.getLogger("some.library").warning("lost %s", "it", extra={"token": "hunter2"})
    (line,) = lines(written)
    assert line["event"] == "lost it"
    assert line["correlation_id"] == "abc"
    assert line["token"] == logging.REDACTED


def test_the_fields_of_one_request_are_gone_in_the_next(written: io.StringIO):
    log = structlog.get_logger()
    logging.bind_afresh(correlation_id="one")
    logging.bind_more(tenant_id=UUID(int=7))
    log.info("first")
    logging.bind_afresh(correlation_id="two")
    log.info("second")
    logging.clear()
    log.info("third")
    first, second, third = lines(written)
    assert (first["correlation_id"], first["tenant_id"]) == ("one", str(UUID(int=7)))
    assert second["correlation_id"] == "two"
    assert "tenant_id" not in second
    assert "correlation_id" not in third


def test_what_is_below_the_level_is_not_written(written: io.StringIO):
    structlog.get_logger().debug("quiet")
    standard_logging.getLogger("some.library").debug("quiet")
    assert written.getvalue() == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "hunter2"},
        {"new_password_hash": "hunter2"},
        {"X-Api-Key": "hunter2"},
        {"api_key": "hunter2"},
        {"Authorization": "hunter2"},
        {"set-cookie": "hunter2"},
        {"session_token": "hunter2"},
        {"secret_key": b"hunter2"},
        {"applicationinsights_connection_string": "hunter2"},
        {"database_url": "hunter2"},
        {"headers": {"cookie": "hunter2", "accept": "*/*"}},
        {"headers": [{"deep": {"cookie": "hunter2"}}]},
        {"target": "mssql+pyodbc://sa:hunter2@db/x"},
        {"target": "cannot open smtp://me:hunter2@mail:25, giving up"},
        {"detail": "the key bj_0a1b2c_hunter2 is revoked"},
        {"detail": b"bj_0a1b2c_hunter2"},
        {"detail": "Endpoint=sb://x/;SharedAccessKey=hunter2;EntityPath=q"},
        {"detail": "DRIVER=x;UID=sa;PWD=hunter2"},
        {"detail": ["authorization: bearer hunter2"]},
    ],
    ids=str,
)
def test_secrets_are_blanked_out(fields: dict[str, object], written: io.StringIO):
    structlog.get_logger().info("something", **fields)
    assert "hunter2" not in written.getvalue()
    assert logging.REDACTED in written.getvalue()


def test_secrets_in_an_exception_are_blanked_out(written: io.StringIO):
    try:
        raise ValueError("cannot reach redis://:hunter2@cache:6379")
    except ValueError:
        structlog.get_logger().exception("cache.away")
    (line,) = lines(written)
    assert "hunter2" not in written.getvalue()
    assert "Traceback" in str(line["exception"])


def test_ids_and_times_of_secrets_are_not_secrets(written: io.StringIO):
    structlog.get_logger().info(
        "key.created", api_key_id=UUID(int=7), key_prefix="0a1b", url="http://localhost:8000/x"
    )
    (line,) = lines(written)
    assert line["api_key_id"] == str(UUID(int=7))
    assert line["key_prefix"] == "0a1b"
    assert line["url"] == "http://localhost:8000/x"


@pytest.mark.usefixtures("logging_restored")
def test_the_console_shows_tracebacks_without_local_variables():
    stream = io.StringIO()
    logging.configure(LogFormat.CONSOLE, LogLevel.INFO, stream=stream)
    try:
        given = "hunter2"
        raise ValueError(len(given))
    except ValueError:
        structlog.get_logger().exception("sign_in.failed")
    assert "sign_in.failed" in stream.getvalue()
    assert "ValueError: 7" in stream.getvalue()
    assert "hunter2" not in stream.getvalue().replace('given = "hunter2"', "")
