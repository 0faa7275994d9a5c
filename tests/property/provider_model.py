"""What providers tell, in the books that a person would keep."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

from tests.property.model import Books, Payment


@dataclass
class Claim:
    """What a provider takes back: `end` is when a dispute was closed, and whether it was won."""

    currency: str | None = None
    amount: int | None = None
    end: tuple[datetime, bool] | None = None
    taken: int = 0

    def counts(self, currency: str) -> int:
        is_won = self.end is not None and self.end[1]
        return 0 if is_won or currency != self.currency else self.amount or 0


@dataclass
class ProviderBooks(Books):
    """Books of a tenant whose customers also pay through a provider."""

    external: dict[str, UUID] = field(default_factory=dict)  # payments by the provider's id
    claims: dict[str, dict[str, Claim]] = field(default_factory=dict)  # "" for the refunds
    failures: set[tuple[str, datetime]] = field(default_factory=set)

    # What providers tell: what becomes of it, or the code with which it is refused.

    def hear_paid(
        self,
        name: str,
        payment: UUID,
        facts: Payment,
        shares: dict[UUID, int],
        today: date,
        *,
        is_elsewhere: bool,
    ) -> str:
        self.external[name] = payment
        self.pay(payment, facts, shares)
        self.settle(name, today)
        is_credit = not shares and self.unapplied(payment) > 0
        return "kept_as_credit" if is_credit or is_elsewhere else "applied"

    def hear_failed(self, name: str, at: datetime) -> str:
        if (name, at) in self.failures:
            return "unchanged"
        self.failures.add((name, at))
        return "applied"

    def hear_claim(
        self,
        name: str,
        key: str,
        today: date,
        currency: str | None,
        amount: int | None,
        end: tuple[datetime, bool] | None = None,
    ) -> str:
        payment = self.external.get(name)
        known = self.claims.get(name, {}).get(key)
        others = [None if known is None else known.currency]
        if payment is not None:
            others.append(self.payments[payment].currency)
        if currency is not None and any(other not in (None, currency) for other in others):
            return "currency_mismatch"
        claim = known or Claim()
        before = replace(claim) if known is not None else None
        self.claims.setdefault(name, {})[key] = claim
        claim.currency = claim.currency or currency
        if amount is not None:
            claim.amount = max(claim.amount or 0, amount)
        if end is not None and (claim.end is None or claim.end[0] < end[0]):
            claim.end = end
        if payment is None:
            return "waiting"
        is_new = before is None or (before.amount, before.end) != (claim.amount, claim.end)
        taken = self.settle(name, today)
        if end is None:
            return "applied" if taken else "unchanged"
        if claim.amount is None and not end[1]:
            return "waiting"
        return "applied" if is_new else "unchanged"

    # What follows from it.

    def settle(self, name: str, today: date) -> int:
        """What the claims on a provider's payment take of it now; their shares follow them."""
        payment, claims = self.external[name], self.claims.get(name, {})
        one = self.payments[payment]
        left = one.amount - one.taken("hand")
        wanted = {}
        for key in sorted(claims, key=lambda key: key != ""):  # refunds first; the sort is stable
            counted = claims[key].counts(one.currency)
            already = min(claims[key].taken, counted)
            wanted[key] = min(max(counted - one.taken("hand"), already), left)
            left -= wanted[key]
        given = {key: claims[key].taken - amount for key, amount in wanted.items()}
        back = {key: amount for key, amount in given.items() if amount > 0}
        for amount in back.values():
            one.moves.append((one.day(today), amount, "dispute"))
        taken = 0
        for key, amount in given.items():
            if amount < 0:
                why = "dispute" if key else "refund"
                self.take(payment, -amount, why, today, f"{name}/{key}")
                taken -= amount
        for key, amount in wanted.items():
            claims[key].taken = amount
        rest = max(sum(back.values()) - taken, 0)
        for key, amount in back.items():
            share = min(amount, rest)
            rest -= share
            self.apply(
                payment, self.restored(payment, f"{name}/{key}", share), today, f"{name}/{key}"
            )
        return taken

    def restored(self, payment: UUID, claim: str, amount: int) -> dict[UUID, int]:
        """To which invoices a dispute gives back: those it took from, the last taken first."""
        lost: dict[UUID, int] = defaultdict(int)
        last: dict[UUID, int] = defaultdict(int)
        for part in self.parts:
            if part.payment != payment:
                continue
            if part.taker == claim:
                lost[part.invoice] += part.amount
                last[part.invoice] = max(last[part.invoice], part.undone_order)
            if part.giver == claim:
                lost[part.invoice] -= part.amount
                last[part.invoice] = max(last[part.invoice], part.order)
        shares = {}
        for invoice in sorted(lost, key=lambda invoice: -last[invoice]):
            share = min(lost[invoice], self.balance(invoice), amount)
            if share > 0:
                shares[invoice] = share
                amount -= share
        return shares
