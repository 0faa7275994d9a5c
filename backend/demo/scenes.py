"""The scenes: what becomes of particular invoices, so that every page has something to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

from backend.demo.plan import Episode, Scene, Trait
from backend.demo.shop import Bill, How, Receipt
from backend.demo.story import Script
from backend.dunning.models import ContactOutcome
from backend.dunning.service import HoldInvoice
from backend.invoices.models import InvoiceHold
from backend.payments.models import PaymentMethod

# Days overdue from which on somebody calls.
_CALLED_FROM = 100


def play(script: Script, episode: Episode) -> None:
    """Add the events of one episode."""
    _SCENES[episode.scene](script, episode)


def _draft(script: Script, episode: Episode) -> None:
    [ago] = episode.days
    script.write(script.bill(episode.customer, issued=script.workday(script.day(ago))))


def _draft_voided(script: Script, episode: Episode) -> None:
    [ago] = episode.days
    bill = script.bill(episode.customer, issued=script.workday(script.day(ago)))
    at = script.write(bill) + timedelta(hours=1)
    script.add(at, lambda: script.shop.void(bill, "Entered for the wrong customer."))


def _unpaid(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    [ago] = episode.days
    if ago >= _CALLED_FROM:
        # Most of the reminders were in vain: somebody takes up the telephone.
        note = "Left a message at the front desk; the owner is to call back."
        outcome, back_on = ContactOutcome.LEFT_MESSAGE, script.next_workday(script.day(-2))
        script.add(_before(script, script.today, 3), _call(script, bill, outcome, note, back_on))


def _part_paid(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    at = _before(script, bill.due, 9)
    script.add(at, _pay(script, bill, script.check(), percent=40))


def _paid_today(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    # In the first instant of the day, as collected overnight: so there is always something that
    # was paid this month.
    how = script.means(Trait.AUTOPAY)
    script.add(script.at(bill.due, 0), _pay(script, bill, how))


def _voided(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    at = _after(script, bill.issued, 2)
    script.add(at, lambda: script.shop.void(bill, "Billed twice for the same job."))


def _cancelled(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    at = _after(script, bill.issued, 6)
    script.add(at, lambda: script.shop.cancel(bill, "The customer called the job off."))


def _one_check(script: Script, episode: Episode) -> None:
    bills = [script.bill_due(episode.customer, ago) for ago in episode.days]
    for bill in bills:
        script.issue(bill)
    how = script.check()
    at = _after(script, bills[-1].due, 4)
    script.add(at, lambda: script.shop.pay_together(bills, how))


def _credit(script: Script, episode: Episode) -> None:
    first, second = (script.bill_due(episode.customer, ago) for ago in episode.days)
    script.issue(first)
    script.issue(second)
    kept: list[Receipt] = []
    how = script.check()

    def overpay() -> None:
        kept.append(script.shop.pay(first, how, over=Decimal("250.00")))

    def use_credit() -> None:
        half = min(Decimal("100.00"), script.shop.balance(second))
        script.shop.apply_credit(kept[0], second, half)

    script.add(_before(script, first.due, 3), overpay)
    script.add(_after(script, max(first.due, second.issued), 4), use_credit)


def _deposit(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    how = How(PaymentMethod.MANUAL, "Deposit for the next job")
    at = _before(script, script.today, 6)
    script.add(at, lambda: script.shop.pay_ahead(bill.client, Decimal("750.00"), how))


def _refused(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    how = script.check()
    at = _before(script, bill.due, 4)
    script.add(at, lambda: script.shop.pay_too_much(bill, how))
    script.add(at + timedelta(minutes=3), _pay(script, bill, how))
    if script.shop.words.job_app:
        reference = script.means(Trait.AUTOPAY).external_id or ""
        again = _before(script, script.today, 4)
        script.add(again, lambda: script.shop.pay_again(bill, reference))


def _bounced(script: Script, episode: Episode) -> None:
    _bouncing_check(script, _one(script, episode))


def _bounced_and_repaid(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    returned_on = _bouncing_check(script, bill)
    how = How(PaymentMethod.EXTERNAL, external_id=f"pay_{script.random.getrandbits(48):012x}")
    script.add(_after(script, returned_on, 9), _pay(script, bill, how))


def _bouncing_check(script: Script, bill: Bill) -> date:
    """Paid by a check that the bank returns some days later; the day when."""
    paid: list[Receipt] = []
    how = script.check()
    at = _before(script, bill.due, 2)
    script.add(at, lambda: paid.append(script.shop.pay(bill, how)))
    returned_at = _after(script, bill.due, 4)
    reason = "Check returned by the bank: insufficient funds."
    script.add(returned_at, lambda: script.shop.bounce(paid[0], reason))
    return returned_at.date()


def _paused(script: Script, episode: Episode) -> None:
    hold = HoldInvoice(InvoiceHold.PAUSE, script.day(-10), reason="The owner is traveling.")
    _hold(script, _one(script, episode), hold, days_after_due=2)


def _disputed(script: Script, episode: Episode) -> None:
    bill, reason = _one(script, episode), script.shop.words.dispute
    at = _after(script, bill.due, 4)
    script.add(at, _call(script, bill, ContactOutcome.DISPUTED, reason))
    hold = HoldInvoice(InvoiceHold.DISPUTE, reason=reason)
    script.add(at + timedelta(minutes=2), lambda: script.shop.hold(bill, hold))


def _promised(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    at = _before(script, script.today, 6)
    script.add(at, lambda: _promise(script, bill, script.day(-8), percent=100))


def _promise_broken(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    # Early and for long: after it is broken most of the reminders are still to come.
    at = _after(script, bill.due, 3)
    until = bill.due + timedelta(days=21)
    script.add(at, lambda: _promise(script, bill, until, percent=50))
    note = "Rang for a long time; nobody there after lunch."
    again = _after(script, until, 2)
    script.add(again, _call(script, bill, ContactOutcome.NO_ANSWER, note))


def _promise_kept(script: Script, episode: Episode) -> None:
    bill = _one(script, episode)
    at = _after(script, bill.due, 4)
    until = script.next_workday(bill.due + timedelta(days=14))
    script.add(at, lambda: _promise(script, bill, until, percent=60))
    # A little more than was promised, two days before.
    script.add(_before(script, until, 2), _pay(script, bill, script.check(), percent=65))


def _promise(script: Script, bill: Bill, until: date, *, percent: int) -> None:
    amount = (script.shop.balance(bill) * percent / 100).quantize(Decimal("0.01"))
    reason = "Promised on the telephone by their bookkeeper."
    script.shop.call(bill, ContactOutcome.PROMISED, "Their bookkeeper pays after the inspection.")
    script.shop.hold(bill, HoldInvoice(InvoiceHold.PROMISE, until, amount, reason))


def _call(
    script: Script, bill: Bill, outcome: ContactOutcome, note: str, next_on: date | None = None
) -> Callable[[], object]:
    return lambda: script.shop.call(bill, outcome, note, next_on)


def _hold(script: Script, bill: Bill, hold: HoldInvoice, *, days_after_due: int) -> None:
    at = _after(script, bill.due, days_after_due)
    script.add(at, lambda: script.shop.hold(bill, hold))


def _before(script: Script, day: date, days: int) -> datetime:
    """In the office hours some days before a day, or on the Friday before those."""
    return script.some_time(script.workday(day - timedelta(days=days)), 10, 15)


def _after(script: Script, day: date, days: int) -> datetime:
    """In the office hours some days after a day, or on the Monday after those."""
    return script.some_time(script.next_workday(day + timedelta(days=days)), 11, 16)


def _one(script: Script, episode: Episode) -> Bill:
    """The episode's only invoice, sent in time to fall due on its day."""
    [ago] = episode.days
    bill = script.bill_due(episode.customer, ago)
    script.issue(bill)
    return bill


def _pay(script: Script, bill: Bill, how: How, *, percent: int = 100) -> Callable[[], object]:
    return lambda: script.shop.pay(bill, how, percent=percent)


_SCENES: dict[Scene, Callable[[Script, Episode], None]] = {
    Scene.ORDINARY: Script.ordinary,
    Scene.DRAFT: _draft,
    Scene.DRAFT_VOIDED: _draft_voided,
    Scene.UNPAID: _unpaid,
    Scene.PART_PAID: _part_paid,
    Scene.PAID_TODAY: _paid_today,
    Scene.VOIDED: _voided,
    Scene.CANCELLED: _cancelled,
    Scene.ONE_CHECK: _one_check,
    Scene.CREDIT: _credit,
    Scene.DEPOSIT: _deposit,
    Scene.REFUSED: _refused,
    Scene.BOUNCED: _bounced,
    Scene.BOUNCED_AND_REPAID: _bounced_and_repaid,
    Scene.PAUSED: _paused,
    Scene.DISPUTED: _disputed,
    Scene.PROMISED: _promised,
    Scene.PROMISE_BROKEN: _promise_broken,
    Scene.PROMISE_KEPT: _promise_kept,
}
