"""What stands on the invoices: lines from the words, in believable numbers."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from backend.demo.words import Item, Job, Words
from backend.invoices.totals import LineInput


def write_lines(words: Words, random: Random) -> list[LineInput]:
    """The lines of one job: one at least, materials with the tax rate of the place."""
    job = random.choices(words.jobs, [one.weight for one in words.jobs])[0]
    size = _size(job, random)
    return [
        _line(item, size, words.tax_rate, random)
        for item in job.items
        if item.often == 100 or random.randrange(100) < item.often
    ]


def _size(job: Job, random: Random) -> Decimal:
    least, most, step = (Decimal(text) for text in job.size)
    return least + step * random.randint(0, int((most - least) / step))


def _line(item: Item, size: Decimal, tax_rate: str, random: Random) -> LineInput:
    quantity = Decimal(1) if item.per is None else size * Decimal(item.per)
    quarters = random.randint(item.low * 4, item.high * 4)
    return LineInput(
        item.text, quantity, Decimal(quarters) / 4, Decimal(tax_rate) if item.taxed else None
    )
