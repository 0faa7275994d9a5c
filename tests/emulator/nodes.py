"""The nodes that answer requests: `$cbs` for tokens, `QUEUE/$management` for everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.emulator.broker import LockLost, NotThere, Queue
from tests.emulator.content import Content, read_request, write_answer
from tests.emulator.stored import lock_token_of, token_of
from tests.emulator.values import Array, Int, Symbol, Timestamp

if TYPE_CHECKING:
    from tests.emulator.session import Session

# As many as the service shows in one answer.
PEEKED_MAX = 250
_PEEKED_BYTES_MAX = 1024 * 1024

_OK, _NOTHING, _BAD, _NOT_FOUND, _GONE, _FAILED, _BUSY = 200, 204, 400, 404, 410, 500, 503


class _Refused(Exception):
    """The request is answered with a status and an error condition."""

    def __init__(self, status: int, condition: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.condition = condition
        self.description = description


class _NoAnswer(Exception):
    """The request is left without an answer."""


def answer(session: Session, queue: Queue | None, payload: bytes) -> bytes | None:
    """A request's answer; None when there is to be none. Raises DecodeError."""
    message_id, properties, body = read_request(payload)
    if queue is None:
        return _answer_token(session, message_id)
    faults = session.host.faults
    operation = str(properties.get("operation")).removeprefix("com.microsoft:")
    try:
        if faults.is_busy(queue.name):
            raise _Refused(_BUSY, "com.microsoft:server-busy", "Told to be busy.")
        if operation == "update-disposition":
            status, value = _update_disposition(session, queue, body)
        elif operation in _OPERATIONS:
            status, value = _OPERATIONS[operation](queue, body)
        else:
            raise _Refused(_BAD, "amqp:not-implemented", f"There is no operation {operation!r}.")
    except _NoAnswer:
        return None
    except _Refused as refusal:
        return _refusal(message_id, refusal)
    except (KeyError, TypeError, AttributeError) as fault:
        wrong = _Refused(_BAD, "amqp:invalid-field", f"{operation} without what it needs: {fault}")
        return _refusal(message_id, wrong)
    except LockLost:
        lost = "The lock supplied is invalid. Either the lock expired, or the message is gone."
        return _refusal(message_id, _Refused(_GONE, "com.microsoft:message-lock-lost", lost))
    except NotThere as fault:
        missing = _Refused(_NOT_FOUND, "com.microsoft:message-not-found", str(fault))
        return _refusal(message_id, missing)
    told = {"statusCode": Int(status), "statusDescription": "OK"}
    return write_answer(value, told, message_id)


def _refusal(message_id: object, refusal: _Refused) -> bytes:
    told = {
        "statusCode": Int(refusal.status),
        "statusDescription": refusal.description,
        "errorCondition": Symbol(refusal.condition),
    }
    return write_answer(None, told, message_id)


def _answer_token(session: Session, message_id: object) -> bytes:
    refused = session.host.faults.refuses_token()
    told = {
        "status-code": Int(401 if refused else 200),
        "status-description": "InvalidSignature: told to refuse it." if refused else "OK",
    }
    return write_answer(None, told, message_id)


def _peek(queue: Queue, body: Any) -> tuple[int, Any]:
    wanted = min(body["message-count"], PEEKED_MAX)
    shown: list[dict[str, bytes]] = []
    size = 0
    for message in queue.peek(body["from-sequence-number"], wanted):
        seen = message.as_seen()
        size += len(seen)
        if shown and size > _PEEKED_BYTES_MAX:
            break
        shown.append({"message": seen})
    return (_OK, {"messages": shown}) if shown else (_NOTHING, None)


def _renew(queue: Queue, body: Any) -> tuple[int, Any]:
    ends = queue.renew([token_of(token) for token in body["lock-tokens"]])
    told = [Timestamp(queue.clock.in_real_time(end) * 1000) for end in ends]
    return _OK, {"expirations": Array(told)}


def _schedule(queue: Queue, body: Any) -> tuple[int, Any]:
    contents = [Content(one["message"]) for one in body["messages"]]
    return _OK, {"sequence-numbers": Array(map(queue.put, contents))}


def _cancel(queue: Queue, body: Any) -> tuple[int, Any]:
    queue.cancel(list(body["sequence-numbers"]))
    return _OK, None


def _receive_deferred(queue: Queue, body: Any) -> tuple[int, Any]:
    lock = body["receiver-settle-mode"] == 1
    received = []
    for message in queue.deferred(list(body["sequence-numbers"]), lock=lock):
        one: dict[str, Any] = {"message": message.as_delivered(queue.clock)}
        if message.token is not None:
            one["lock-token"] = lock_token_of(message.token)
        received.append(one)
    return _OK, {"messages": received}


def _update_disposition(session: Session, queue: Queue, body: Any) -> tuple[int, Any]:
    faults = session.host.faults
    failing = faults.fails_settle(queue.name)
    if failing == "drop":
        session.connection.abort()
        raise _NoAnswer
    if failing == "silence":
        raise _NoAnswer
    if failing == "error":
        raise _Refused(_FAILED, "amqp:internal-error", "Told to refuse it.")
    for token in [token_of(one) for one in body["lock-tokens"]]:
        _settle(queue, token, body)
    if faults.loses_settle(queue.name):
        session.connection.abort()
        raise _NoAnswer
    return _OK, None


def _settle(queue: Queue, token: bytes, body: Any) -> None:
    status = body["disposition-status"]
    if status == "completed":
        queue.complete(token)
    elif status == "abandoned":
        queue.abandon(token)
    elif status == "defered":
        queue.defer(token)
    elif status == "suspended" and queue.dead_letters is not None:
        reason, description = body.get("deadletter-reason"), body.get("deadletter-description")
        queue.reject(token, reason, description)
    else:
        raise _Refused(_BAD, "amqp:not-allowed", f"It cannot be {status} here.")


_OPERATIONS: dict[str, Callable[[Queue, Any], tuple[int, Any]]] = {
    "peek-message": _peek,
    "renew-lock": _renew,
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel,
    "receive-by-sequence-number": _receive_deferred,
}
