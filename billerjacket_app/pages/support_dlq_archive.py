"""/support/dlq/archive: what was discarded or purged, kept as it lay in its queue, and sent again.

The list and, under /support/dlq/archive/{id}, one message with its body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import reflex as rx

from backend.messaging.transport import Transport
from backend.support.archive import (
    ArchivedDetail,
    ArchivedHead,
    get_archived,
    list_archive,
    restore,
)
from backend.unit_of_work import read
from billerjacket_app import format as fmt
from billerjacket_app import routes, status
from billerjacket_app.components import basic, dialog, filters, shell, states, table
from billerjacket_app.page_state import say
from billerjacket_app.pages import rows
from billerjacket_app.pages.support_dlq_state import AnyActor, SupportState, letter_link, zone_of
from billerjacket_app.status import Badge

PAGE_SIZE = 50
_KEPT = Badge("In the archive", "archive", "bronze")
_RESTORED = Badge("Restored", "rotate-ccw", "orange")


@dataclass
class ArchiveRow:
    """A discarded message in the list, or opened."""

    href: str = ""
    message_id: str = ""
    short_id: str = ""
    message_type: str = ""
    queue: str = ""
    badge: Badge = field(default_factory=Badge)
    reason: Badge = field(default_factory=Badge)
    description: str = ""
    deliveries: str = ""
    queued: fmt.When = field(default_factory=fmt.When)
    archived: fmt.When = field(default_factory=fmt.When)
    archived_by: str = ""
    restored: fmt.When = field(default_factory=fmt.When)
    restored_by: str = ""
    copy_id: str = ""
    is_restored: bool = False
    correlation_id: str = ""
    trace_href: str = ""


@dataclass(frozen=True)
class FoundList:
    """A page of the archive."""

    rows: list[ArchiveRow]
    pager: filters.Pager


@dataclass(frozen=True)
class FoundOne:
    """One message of the archive."""

    row: ArchiveRow
    body: str


def load_archive(db: Any, _transport: Transport, actor: AnyActor, cursor: str) -> FoundList:
    """A page of the archive. Raises NotAllowed, InvalidInput."""
    page = read(db, actor, list_archive, limit=PAGE_SIZE, cursor=cursor or None)
    zone = zone_of(db, actor)
    text = fmt.count(len(page.items), "message")
    more = page.next_cursor
    return FoundList(
        rows=[_row(actor, head, zone) for head in page.items],
        pager=filters.Pager(
            text=f"{text} on this page" if more or cursor else text,
            first_href=routes.DEAD_LETTER_ARCHIVE if cursor else "",
            next_href=routes.dead_letter_archive(cursor=more) if more else "",
        ),
    )


def load_archived(db: Any, _transport: Transport, actor: AnyActor, archive_id: str) -> FoundOne:
    """One message. Raises NotFound, NotAllowed."""
    wanted = rows.record_id(archive_id, "archived message")
    detail: ArchivedDetail = read(db, actor, get_archived, wanted)
    return FoundOne(_row(actor, detail.head, zone_of(db, actor)), detail.body_text)


def send_again(db: Any, transport: Transport, actor: AnyActor, archive_id: str) -> ArchivedDetail:
    """Restore it. Raises NotFound, StateConflict, NotAllowed, Busy."""
    return restore(db, transport, actor, rows.record_id(archive_id, "archived message"))


def _row(actor: AnyActor, head: ArchivedHead, zone: ZoneInfo) -> ArchiveRow:
    is_restored = head.restored_at is not None
    correlation = head.correlation_id or ""
    return ArchiveRow(
        href=routes.archived_letter(head.archive_id),
        message_id=head.message_id,
        short_id=fmt.short_id(head.message_id),
        message_type=head.message_type or "No type",
        queue=head.queue.value,
        badge=_RESTORED if is_restored else _KEPT,
        reason=status.dead_reason(head.reason),
        description=head.description or "",
        deliveries=fmt.count(head.delivery_count),
        queued=fmt.when_exactly(head.enqueued_at, zone),
        archived=fmt.when_exactly(head.archived_at, zone),
        archived_by=head.archived_by,
        restored=fmt.when_exactly(head.restored_at, zone),
        restored_by=head.restored_by or "",
        copy_id=head.copy_message_id or "" if is_restored else "",
        is_restored=is_restored,
        correlation_id=correlation,
        trace_href=letter_link(actor, "correlation", correlation) if correlation else "",
    )


class ArchiveState(SupportState, rx.State):
    """The list."""

    rows: list[ArchiveRow] = []
    pager: filters.Pager = filters.Pager()

    def _question(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The page that the address names."""
        return load_archive, (self.arg("cursor"),)

    def _glance(self) -> None:
        """Nothing moves under the reader; the list is loaded when it is opened."""

    def _show(self, found: FoundList) -> None:
        """Show it."""
        self.assign(rows=found.rows, pager=found.pager)


class ArchivedState(SupportState, rx.State):
    """One message."""

    row: ArchiveRow = ArchiveRow()
    body: str = ""

    def _question(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The message that the address names."""
        return load_archived, (self.archive_id,)

    def _show(self, found: FoundOne) -> None:
        """Show it."""
        self.assign(title=found.row.message_type, row=found.row, body=found.body)

    @rx.event
    async def restore(self, _form: dict[str, Any]) -> Any:
        """Send it to its queue again."""
        self.busy = True
        yield
        outcome = await self._act(send_again, self.archive_id)
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say(f"Restored as {outcome.must.head.copy_message_id}.")


def _list() -> rx.Component:
    state = ArchiveState
    return rx.el.div(
        table.data_table(
            "Archived messages",
            [
                table.Column("id", "Message"),
                table.Column("type", "Type"),
                table.Column("queue", "Queue"),
                table.Column("reason", "Reason"),
                table.Column("state", "State"),
                table.Column("by", "Discarded by"),
                table.Column("at", "Discarded"),
            ],
            state.rows,
            lambda row: [
                table.row_header(
                    rx.el.a(
                        row.short_id, href=row.href, class_name="hit mono", title=row.message_id
                    )
                ),
                table.cell(row.message_type, class_name="clip"),
                table.cell(row.queue),
                table.cell(basic.badge(row.reason, title=row.description)),
                table.cell(basic.badge(row.badge, data_testid="archive-state")),
                table.cell(row.archived_by, class_name="clip"),
                table.cell(basic.when(row.archived, class_name="mono")),
            ],
            state=state,
            testid="table-archive",
            row_testid="archive-row",
            noun="messages",
            empty=states.empty(
                "archive",
                "Nothing was discarded",
                "Messages that are discarded or purged are kept here, and can be sent again.",
            ),
        ),
        filters.pager(state.pager),
        class_name="sec",
    )


def _one() -> rx.Component:
    state, row = ArchivedState, ArchivedState.row
    return rx.el.div(
        rx.cond(
            row.is_restored,
            basic.callout(
                rx.el.strong("Sent again as "),
                rx.el.code(row.copy_id),
                " by ",
                row.restored_by,
                ", ",
                basic.when(row.restored),
                ".",
                tone="info",
                symbol="rotate-ccw",
                data_testid="restored",
            ),
            rx.fragment(),
        ),
        rx.el.div(
            basic.section(
                "Body",
                rx.el.pre(
                    state.body,
                    class_name="code pre",
                    tab_index=0,
                    role="region",
                    aria_label="Body of the message",
                ),
            ),
            basic.section(
                "Message",
                basic.card(
                    basic.facts(
                        basic.fact(
                            "Message id", basic.copy_id(row.message_id, label="the message id")
                        ),
                        basic.fact("Queue", row.queue),
                        basic.fact("Reason", basic.badge(row.reason)),
                        basic.fact("Deliveries", row.deliveries),
                        basic.fact("Queued", basic.when(row.queued, class_name="mono")),
                        basic.fact("Discarded", basic.when(row.archived, class_name="mono")),
                        basic.fact("By", row.archived_by),
                        rx.cond(
                            row.trace_href != "",
                            basic.fact("Trace", basic.link("Open", href=row.trace_href)),
                            rx.fragment(),
                        ),
                    ),
                    rx.el.p(row.description, class_name="pre small muted"),
                    class_name="stack",
                ),
            ),
            class_name="grid2",
        ),
        dialog.form_dialog(
            state,
            "restore",
            "Restore this message?",
            submit=state.restore,
            verb="Restore",
            working="Sending…",
            lead=rx.fragment("It is sent to ", row.queue, " again, and the worker tries it anew."),
        ),
        class_name="stack wide-gap",
    )


def list_page() -> rx.Component:
    """The archive."""
    state = ArchiveState
    return shell.page(
        state,
        "Archive",
        rx.cond(state.view == "forbidden", states.forbidden(), _list()),
        section="dead-letters",
        crumbs=[("Dead letters", routes.DEAD_LETTERS)],
    )


def one_page() -> rx.Component:
    """One archived message."""
    state, row = ArchivedState, ArchivedState.row
    ready = state.view == "ready"
    return shell.page(
        state,
        rx.cond(ready, state.title, "Archived message"),
        states.body(
            state,
            _one(),
            noun="archived message",
            back=(routes.DEAD_LETTER_ARCHIVE, "To the archive"),
        ),
        section="dead-letters",
        crumbs=[
            ("Dead letters", routes.DEAD_LETTERS),
            ("Archive", routes.DEAD_LETTER_ARCHIVE),
        ],
        beside=rx.cond(ready, basic.badge(row.badge, data_testid="archive-state"), rx.fragment()),
        actions=[
            rx.cond(
                ready & ~row.is_restored,
                basic.button(
                    basic.icon("rotate-ccw", size=14),
                    "Restore",
                    kind="primary",
                    on_click=state.open_dialog("restore"),
                    data_testid="restore",
                ),
                rx.fragment(),
            )
        ],
    )


def register(app: rx.App) -> None:
    """Add both pages."""
    app.add_page(
        list_page,
        route=routes.DEAD_LETTER_ARCHIVE,
        title="Archive · Dead letters · BillerJacket",
        on_load=ArchiveState.load,
    )
    app.add_page(
        one_page,
        route=routes.ARCHIVED_LETTER,
        title="Archived message · BillerJacket",
        on_load=ArchivedState.load,
    )
