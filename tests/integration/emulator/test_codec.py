"""AMQP's types there and back, and as the SDK's own reader and writer have them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from azure.servicebus._pyamqp._decode import decode_payload
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.content import (
    Content,
    messages_in,
    read_request,
    sections,
    write_answer,
    write_message,
)
from tests.emulator.decoding import DecodeError, decode, end_of
from tests.emulator.encoding import encode
from tests.emulator.frames import (
    Code,
    read_performative,
    write_frame,
    write_transfers,
)
from tests.emulator.values import (
    Array,
    Described,
    Int,
    Symbol,
    Timestamp,
    Ubyte,
    Uint,
    Ulong,
    Ushort,
)

ASCII = st.text(st.characters(max_codepoint=127), max_size=300)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
LONG = st.integers(-(2**63), 2**63 - 1)
SIMPLE = st.one_of(
    st.none(),
    st.booleans(),
    LONG,
    st.integers(0, 2**8 - 1).map(Ubyte),
    st.integers(0, 2**16 - 1).map(Ushort),
    st.integers(0, 2**32 - 1).map(Uint),
    st.integers(0, 2**64 - 1).map(Ulong),
    st.integers(-(2**31), 2**31 - 1).map(Int),
    LONG.map(Timestamp),
    st.floats(allow_nan=False),
    st.uuids(),
    st.binary(max_size=300),
    TEXT,
    ASCII.map(Symbol),
)
ARRAYS = st.one_of(
    *[
        st.lists(kind, min_size=1, max_size=70).map(Array)
        for kind in (LONG, LONG.map(Timestamp), st.uuids(), TEXT, ASCII.map(Symbol))
    ]
)
VALUES = st.recursive(
    SIMPLE | ARRAYS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(TEXT, inner, max_size=5),
        st.builds(Described, st.integers(0, 255).map(Ulong), inner),
    ),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_comes_back_as_it_was(value: object):
    written = encode(value)

    assert decode(written) == (value, len(written))
    assert end_of(written, 0) == len(written)


@given(VALUES, st.data())
def test_a_value_that_is_cut_off_is_noticed(value: object, data: st.DataObject):
    written = encode(value)
    length = data.draw(st.integers(0, len(written) - 1))

    with pytest.raises(DecodeError):
        decode(written[:length])
    with pytest.raises(DecodeError):
        end_of(written[:length], 0)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_value_break_nothing(raw: bytes):
    try:
        _, end = decode(raw)
    except DecodeError:
        return
    assert 0 < end <= len(raw)


@pytest.mark.parametrize("raw", [b"\xe0\x05\x00", b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40"])
def test_sizes_that_cannot_be_are_noticed(raw: bytes):
    with pytest.raises(DecodeError):
        decode(raw)


def test_what_amqp_has_no_type_for_is_not_written():
    with pytest.raises(TypeError, match="complex"):
        encode(1j)


@given(
    body=st.binary(max_size=400),
    message_id=TEXT,
    properties=st.dictionaries(TEXT, SIMPLE, max_size=5),
    count=st.integers(0, 10),
)
def test_a_message_is_delivered_as_it_was_written(
    body: bytes, message_id: str, properties: dict, count: int
):
    written = write_message(body, message_id=message_id, application_properties=properties)
    content = Content(written)

    delivered = content.deliver(
        delivery_count=count, sequence_number=2**40, enqueued_at=12.5, locked_until=30.25, state=1
    )

    assert (content.message_id, content.data()) == (message_id, body)
    assert content.readable_properties() == properties
    again = Content(delivered)
    assert (again.message_id, again.data()) == (message_id, body)
    read: Any = decode_payload(memoryview(delivered))
    assert read.header.delivery_count == count
    assert read.message_annotations == {
        b"x-opt-sequence-number": 2**40,
        b"x-opt-enqueued-time": 12500,
        b"x-opt-locked-until": 30250,
        b"x-opt-message-state": 1,
    }
    assert b"".join(read.data) == body
    assert len(read.application_properties or {}) == len(properties)


def test_a_property_takes_the_place_of_the_one_of_its_name():
    properties = {"DeadLetterReason": "old", "n": 1}
    content = Content(write_message(b"", application_properties=properties))

    content.set_application_property("DeadLetterReason", "new")
    content.set_application_property("x", None)

    assert content.readable_properties() == {"n": 1, "DeadLetterReason": "new"}
    content.set_application_property("n", None)
    assert content.readable_properties() == {"DeadLetterReason": "new"}


def test_what_the_broker_said_of_a_message_is_not_kept_when_it_is_sent_on():
    first = Content(write_message(b"x")).deliver(
        delivery_count=3, sequence_number=7, enqueued_at=1, locked_until=2
    )

    sent_on = Content(first).deliver(delivery_count=0, sequence_number=8, enqueued_at=3)

    assert decode_payload(memoryview(sent_on)).message_annotations == {
        b"x-opt-sequence-number": 8,
        b"x-opt-enqueued-time": 3000,
    }


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_a_batch_is_the_messages_it_carries(messages: list[bytes]):
    batch = b"".join(encode(Described(Ulong(0x75), one)) for one in messages)

    assert messages_in(batch, 0x80013700) == messages
    assert messages_in(batch, 0) == [batch]


def test_a_request_is_read_and_its_answer_written():
    written = write_answer({"a": [1]}, {"statusCode": Int(200)}, UUID(int=7))

    message_id, properties, body = read_request(written)

    assert (message_id, properties, body) == (None, {"statusCode": 200}, {"a": [1]})
    read: Any = decode_payload(memoryview(written))
    assert read.properties.correlation_id == UUID(int=7)


@given(st.binary(max_size=3000), st.integers(100, 600), st.booleans())
def test_a_message_is_cut_into_frames_that_are_not_too_large(
    payload: bytes, frame_size_max: int, settled: bool
):
    frames = write_transfers(
        3, 1, 70_000, b"t" * 16, payload, settled=settled, frame_size_max=frame_size_max
    )

    read = [read_performative(frame) for frame in frames]
    assert max(map(len, frames)) <= frame_size_max
    assert b"".join(frame[end:] for frame, (_, _, end) in zip(frames, read, strict=True)) == (
        payload
    )
    assert [fields[5] for _, fields, _ in read] == [True] * (len(frames) - 1) + [False]
    assert {code for code, _, _ in read} == {Code.TRANSFER}
    assert read[0][1][:5] == [1, 70_000, b"t" * 16, 0, settled]


def test_a_performative_has_all_its_fields_and_an_unknown_one_is_refused():
    frame = write_frame(Code.DETACH, [Uint(3)], channel=5)
    assert read_performative(frame) == (Code.DETACH, [3, None, None], len(frame))
    with pytest.raises(DecodeError):
        read_performative(write_frame(Code.SASL_OUTCOME, [Ubyte(0)]))


def test_sections_without_content_are_stepped_over():
    raw = b"\x00\x53\x72\x40" + write_message(b"x")
    assert [section for section, _, _, _ in sections(raw)] == [0x72, 0x73, 0x75]
    assert Content(raw).data() == b"x"
