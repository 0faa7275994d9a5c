"""Which invoices a payment pays."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import RuleRefused, StateConflict
from backend.ids import new_id
from backend.invoices.balances import InvoiceBalance
from backend.invoices.models import InvoiceStatus
from backend.payments.allocation import (
    Share,
    as_asked,
    distinct,
    oldest_due_first,
    to_one_invoice,
)

CUSTOMER = new_id()


def owing(
    balance: str | Decimal,
    status: InvoiceStatus = InvoiceStatus.SENT,
    due: date = date(2026, 3, 1),
) -> InvoiceBalance:
    amount = Decimal(balance)
    return InvoiceBalance(
        invoice_id=new_id(),
        customer_id=CUSTOMER,
        status=status,
        currency_code="USD",
        due_date=due,
        posted_on=date(2026, 2, 1),
        total_amount=amount,
        paid_amount=Decimal("0.00"),
        balance_due=amount,
        version=1,
        invoice_number="INV-000001",
    )


def amounts(shares: list[Share]) -> list[str]:
    return [str(share.amount) for share in shares]


def test_a_payment_for_one_invoice_goes_to_it_whole():
    assert amounts(to_one_invoice(owing("100"), Decimal("40"), keep_excess_as_credit=False)) == [
        "40"
    ]


def test_more_than_the_balance_is_an_overpayment():
    invoice = owing("100.00")
    with pytest.raises(RuleRefused) as refusal:
        to_one_invoice(invoice, Decimal("100.01"), keep_excess_as_credit=False)
    assert refusal.value.code == "overpayment"
    assert refusal.value.facts == {
        "invoice_id": str(invoice.invoice_id),
        "balance_due": "100.00",
    }


def test_what_is_too_much_is_kept_as_credit_when_asked():
    shares = to_one_invoice(owing("100"), Decimal("130"), keep_excess_as_credit=True)
    assert amounts(shares) == ["100"]


@pytest.mark.parametrize(
    "status",
    [InvoiceStatus.DRAFT, InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.CANCELLED],
)
def test_an_invoice_that_is_not_open_takes_no_payment(status: InvoiceStatus):
    with pytest.raises(StateConflict) as refusal:
        to_one_invoice(owing("100", status), Decimal("1"), keep_excess_as_credit=True)
    assert refusal.value.code == "invoice_not_open"
    with pytest.raises(StateConflict) as refusal:
        as_asked([Share(owing("100", status), Decimal("1"))], Decimal("1"))
    assert refusal.value.code == "invoice_not_open"


def test_an_exact_match_is_paid_before_older_invoices():
    older, exact = owing("70"), owing("30")
    shares = oldest_due_first([older, exact], Decimal("30"))
    assert [(share.invoice, str(share.amount)) for share in shares] == [(exact, "30")]


def test_of_two_exact_matches_the_older_one_is_paid():
    first, second = owing("30"), owing("30")
    assert oldest_due_first([first, second], Decimal("30"))[0].invoice is first


def test_without_an_exact_match_the_oldest_due_are_paid_first():
    invoices = [owing("10"), owing("20"), owing("30")]
    assert amounts(oldest_due_first(invoices, Decimal("25"))) == ["10", "15"]


def test_what_no_invoice_takes_stays_unapplied():
    assert amounts(oldest_due_first([owing("10"), owing("20")], Decimal("100"))) == ["10", "20"]
    assert oldest_due_first([], Decimal("100")) == []


def test_given_allocations_are_taken_as_they_are():
    wanted = [Share(owing("10"), Decimal("5")), Share(owing("20"), Decimal("20"))]
    assert as_asked(wanted, Decimal("25")) == wanted


def test_given_allocations_may_leave_a_rest_but_not_exceed_the_money():
    wanted = [Share(owing("100"), Decimal("60")), Share(owing("100"), Decimal("40"))]
    assert as_asked(wanted, Decimal("100.01")) == wanted
    with pytest.raises(RuleRefused) as refusal:
        as_asked(wanted, Decimal("99.99"))
    assert refusal.value.code == "allocations_exceed_amount"


def test_a_given_allocation_above_its_balance_is_an_overpayment():
    with pytest.raises(RuleRefused) as refusal:
        as_asked([Share(owing("10"), Decimal("10.01"))], Decimal("50"))
    assert refusal.value.code == "overpayment"


def test_naming_an_invoice_twice_is_noticed():
    one, other = new_id(), new_id()
    assert distinct([one, other])
    assert not distinct([one, other, one])


_CENTS = st.integers(1, 100_000).map(lambda cents: Decimal(cents) / 100)


@given(st.lists(_CENTS, max_size=8), _CENTS)
def test_automatic_allocation_never_overdraws_and_wastes_nothing(
    balances: list[Decimal], amount: Decimal
):
    invoices = [owing(balance) for balance in balances]
    shares = oldest_due_first(invoices, amount)
    applied = sum(share.amount for share in shares)
    assert applied == min(amount, sum(balances))
    assert all(0 < share.amount <= share.invoice.balance_due for share in shares)
    assert distinct([share.invoice.invoice_id for share in shares])
