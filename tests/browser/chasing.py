"""Chasing as a person uses it, and a business that has something to chase."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from playwright.sync_api import Locator, Page

from backend.dunning.service import run_evaluation
from backend.unit_of_work import run
from tests.browser.conftest import World
from tests.browser.screens import Screen
from tests.factories import make_customer, make_invoice, raw_rows


@dataclass
class ChasingScreen(Screen):
    """/dunning and the pages below it."""

    @property
    def sends(self) -> Locator:
        """Reminders that would go out."""
        return self.page.get_by_test_id("send-row")

    @property
    def passed(self) -> Locator:
        """Invoices that would get none."""
        return self.page.get_by_test_id("passed-row")

    @property
    def runs(self) -> Locator:
        """The last runs."""
        return self.page.get_by_test_id("run-row")

    @property
    def steps(self) -> Locator:
        """The steps in the form of a plan."""
        return self.page.get_by_test_id("step")

    def step(self, number: int) -> Locator:
        """One of them; numbers count from 1."""
        return self.page.get_by_role("group", name=f"Step {number}", exact=True)

    def days(self) -> list[str]:
        """What stands in the steps' days."""
        boxes = self.page.get_by_label("Days after due")
        return [boxes.nth(place).input_value() for place in range(boxes.count())]


def tab_to(page: Page, text: str, *, most: int = 90) -> None:
    """Press Tab until what has the focus says this."""
    for _ in range(most):
        page.keyboard.press("Tab")
        said = page.evaluate(
            """() => {
              const it = document.activeElement;
              if (it === document.body) return "";  // past the last stop: it says everything
              const label = it.labels && it.labels.length ? it.labels[0].innerText : "";
              return it.ariaLabel || label || it.innerText || "";
            }"""
        )
        if text in said:
            return
    raise AssertionError(f"the Tab key does not reach {text!r}")


def make_debtor(
    world: World, name: str, *amounts: str, days_late: int = 5, email: str | None = None
) -> UUID:
    """A customer with overdue invoices of these amounts."""
    customer = make_customer(world.db, world.actor, name, email=email)
    due = world.today - timedelta(days=days_late)
    for amount in amounts:
        make_invoice(
            world.db, world.actor, customer.customer_id, amount,
            issue_date=due - timedelta(days=30), due_date=due,
        )  # fmt: skip
    return customer.customer_id


def do_queued_run(world: World, *, keep_gap: bool) -> None:
    """Do what a worker does with the run that was asked for last."""
    (correlation_id,) = raw_rows(
        world.db,
        "SELECT correlation_id FROM outbox WHERE message_type = 'dunning.evaluate' "
        "ORDER BY row_id DESC LIMIT 1",
    )[0]
    actor = replace(world.actor, correlation_id=correlation_id)
    run(world.db, actor, run_evaluation, keep_gap=keep_gap)
