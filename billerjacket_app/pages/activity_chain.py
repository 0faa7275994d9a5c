"""The check of the audit chain by the button of an Admin: stretch by stretch, and honest meanwhile.

The card's variables and handlers; its State inherits `ChainState`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.unit_of_work import Reader
from backend.verification.chain import START, ChainPart, Place, check_own_chain_part
from backend.verification.findings import Finding
from billerjacket_app import bridge
from billerjacket_app import format as fmt
from billerjacket_app.components import basic
from billerjacket_app.page_state import PageState
from billerjacket_app.pages import rows
from billerjacket_app.session import SessionState
from billerjacket_app.watch import is_tab_open

FINDINGS_SHOWN = 10


@dataclass
class ChainView:
    """How the check stands: "" before any, running, whole, broken, failed."""

    stage: str = ""
    text: str = ""
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CheckedPart:
    """A stretch that was checked, and the tenant's time when it was."""

    part: ChainPart
    clock: str


def check_part(reader: Reader, place: Place) -> CheckedPart:
    """The next stretch. Raises NotAllowed."""
    part = check_own_chain_part(reader, place)
    return CheckedPart(part, fmt.clock(reader.now, rows.zone_of(reader)).text)


class ChainState(PageState, mixin=True):
    """See the top of this file."""

    chain: ChainView = ChainView()

    @rx.event(background=True)
    async def check_chain(self) -> None:
        """Check the whole chain beside whatever else is done; it ends with its tab."""
        async with self:
            if self.chain.stage == "running":
                return
            self.chain = ChainView("running", "Checking the first entries…")
            token = self.router.session.client_token
        place, findings = START, list[Finding]()
        while True:
            outcome = await bridge.read(self, check_part, place)
            is_gone = not is_tab_open(token)
            async with self:
                if outcome.problem:
                    said = f"{outcome.problem.title} {outcome.problem.detail}"
                    self.chain = ChainView("failed", f"The check was not finished. {said}")
                    return
                part = outcome.must.part
                findings += part.findings
                self.chain = _view(outcome.must, findings)
                if is_gone and not part.is_last:
                    self.chain = ChainView()
            if part.is_last or is_gone:
                return
            place = part.place


def _view(checked: CheckedPart, findings: list[Finding]) -> ChainView:
    part = checked.part
    if not part.is_last:
        done, length = fmt.count(part.place.sequence), fmt.count(part.length)
        found = f", {fmt.count(len(findings), 'fault')} so far" if findings else ""
        return ChainView("running", f"Checking… {done} of {length} entries{found}")
    count = fmt.count(part.place.sequence, "entry", "entries")
    if not findings:
        text = f"The chain of {count} is whole, checked {checked.clock}"
        return ChainView("whole", text)
    left = len(findings) - FINDINGS_SHOWN
    more = [f"And {fmt.count(left, 'other fault')}."] if left > 0 else []
    return ChainView(
        "broken",
        f"The chain of {count} does not hold, checked {checked.clock}",
        [_told(finding) for finding in findings[:FINDINGS_SHOWN]] + more,
    )


def _told(finding: Finding) -> str:
    if finding.check == "audit_sequence":
        return f"Entry {finding.expected} is missing; entry {finding.found} follows instead."
    if finding.check == "audit_hash":
        number = finding.subject.partition("#")[2]
        return f"Entry {number} is not as it was written, or does not follow the one before it."
    return (
        f"The newest entry should be {finding.expected.split()[0]}, and is "
        f"{finding.found.split()[0]}: the end of the log was altered."
    )


def chain_card(state: Any) -> rx.Component:
    """What the chain is, the button that checks it, and what was found; for an Admin."""
    chain = state.chain
    result = rx.match(
        chain.stage,
        (
            "whole",
            rx.el.span(basic.icon("circle-check", size=14), chain.text, class_name="verdict good"),
        ),
        ("running", rx.el.span(basic.icon("loader", size=14), chain.text, class_name="verdict")),
        (
            "broken",
            rx.el.span(basic.icon("octagon-alert", size=14), chain.text, class_name="verdict bad"),
        ),
        (
            "failed",
            rx.el.span(basic.icon("triangle-alert", size=14), chain.text, class_name="verdict bad"),
        ),
        rx.el.span(
            "Every entry carries the hash of the one before it. A check finds what was altered, "
            "taken out or cut off.",
            class_name="muted",
        ),
    )
    return rx.cond(
        SessionState.is_admin,
        rx.el.div(
            rx.el.div(
                rx.el.div(result, role="status", data_testid="chain-result"),
                basic.button(
                    rx.cond(chain.stage == "running", "Checking…", "Check the chain"),
                    on_click=state.check_chain,
                    disabled=chain.stage == "running",
                    data_testid="check-chain",
                ),
                class_name="chain",
            ),
            rx.cond(
                chain.findings.length() > 0,
                rx.el.ul(
                    rx.foreach(chain.findings, lambda text: rx.el.li(text)),
                    class_name="findings",
                    data_testid="chain-findings",
                ),
                rx.fragment(),
            ),
            class_name="card slim",
        ),
        rx.fragment(),
    )
