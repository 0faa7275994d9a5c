"""Ids: version 7, in order of time, and never the same twice, not even in forked processes."""

import os
from uuid import RFC_4122, UUID

import pytest

from backend.ids import new_id


def test_an_id_is_a_version_7_uuid():
    one = new_id()
    assert (one.version, one.variant) == (7, RFC_4122)


def test_an_id_made_later_is_not_of_an_earlier_millisecond():
    made = [new_id().int >> 80 for _ in range(1000)]
    assert made == sorted(made)


def test_no_id_comes_twice():
    assert len({new_id() for _ in range(10_000)}) == 10_000


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_processes_draw_different_random_bits():
    def random_bits(of: UUID) -> int:
        return of.int & (1 << 62) - 1

    new_id()
    seen = set()
    for _ in range(3):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, new_id().bytes)
            os._exit(0)
        os.close(writing)
        seen.add(random_bits(UUID(bytes=os.read(reading, 16))))
        os.close(reading)
        os.waitpid(child, 0)
    assert len(seen) == 3
