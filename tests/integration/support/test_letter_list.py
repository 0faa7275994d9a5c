"""What the page of dead letters says of how many there are."""

from __future__ import annotations

from backend.actor import Actor
from backend.db.engine import Database
from billerjacket_app.pages.support_dlq_list import FILTERS, LetterList, load_letters
from tests.integration.support.letters import Faulty, bury, dunning


def test_a_page_never_says_fewer_than_it_shows(
    db: Database, transport: Faulty, actor: Actor, dana: Actor
):
    def page(**wanted: str) -> LetterList:
        query = dict.fromkeys((*FILTERS, "cursor"), "") | wanted
        return load_letters(db, transport, dana, query)

    assert page().counted == 0
    # They come while the counts of before are kept.
    bury(transport, *(dunning(actor.tenant_id) for _ in range(3)))
    found = page(type="dunning.evaluate")
    assert len(found.rows) == 3
    assert (found.total, found.counted) == (3, 3)
    assert len(found.groups) == 1
    # Who looks next finds the new counts, whatever they ask for.
    assert len(page().groups) == 1
