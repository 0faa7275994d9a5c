"""Reading a provider's JSON: what is there is checked, and what is wrong is named by its path."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from backend.checks import optional_text, parse_json, required_text
from backend.errors import InvalidInput
from backend.money import MAX_AMOUNT, currency, parse_amount

ID_LENGTH_MAX = 200
TYPE_LENGTH_MAX = 100
CODE_LENGTH_MAX = 64
MESSAGE_LENGTH_MAX = 500

Json = dict[str, Any]


def parse_object(body: bytes) -> Json:
    """The JSON object in a body, decimals exact. Raises InvalidInput."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise InvalidInput.of("body", "must be a JSON object", code="malformed_json")
    return value


class Part:
    """An object inside the payload; its readers raise InvalidInput naming the path."""

    def __init__(self, value: Json, path: str = "") -> None:
        self._value = value
        self._path = path

    def path_of(self, name: str) -> str:
        """The path of a field, dotted."""
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._value.get(name) is not None

    def part(self, name: str) -> Part:
        """An object in it."""
        value = self._value.get(name)
        if not isinstance(value, dict):
            raise InvalidInput.of(self.path_of(name), "must be an object")
        return Part(value, self.path_of(name))

    def optional_part(self, name: str) -> Part:
        """The same, empty when it is not there."""
        value = self._value.get(name)
        return Part(value if isinstance(value, dict) else {}, self.path_of(name))

    def text(self, name: str, max_length: int = ID_LENGTH_MAX) -> str:
        """A text that must be there."""
        value = self._value.get(name)
        if not isinstance(value, str):
            raise InvalidInput.of(self.path_of(name), "must be text")
        return required_text(value, field=self.path_of(name), max_length=max_length)

    def optional_text(self, name: str, max_length: int = ID_LENGTH_MAX) -> str | None:
        """A text, None when it is not there."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise InvalidInput.of(self.path_of(name), "must be text")
        return optional_text(value, field=self.path_of(name), max_length=max_length)

    def words(self, name: str, max_length: int) -> str | None:
        """What the provider says to people: cut, and freed of what cannot be kept."""
        value = self._value.get(name)
        if not isinstance(value, str):
            return None
        kept = "".join(one for one in value if one.isprintable())
        return kept.strip()[:max_length] or None

    def reference(self, name: str, max_length: int = ID_LENGTH_MAX) -> str | None:
        """The id of another object, which a provider may send whole; None when it is not there."""
        if isinstance(self._value.get(name), dict):
            return self.part(name).text("id", max_length)
        return self.optional_text(name, max_length)

    def currency_code(self, name: str) -> str:
        """A currency we keep books in, in capitals."""
        return currency(self.text(name, 3).upper(), field=self.path_of(name)).code

    def minor_units(self, name: str, currency_code: str, *, decimals: int) -> Decimal:
        """An amount in the currency's smallest unit, as the provider counts its `decimals`."""
        value = self._value.get(name)
        field = self.path_of(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput.of(field, "must be a whole number of the smallest unit")
        if not 0 <= value <= MAX_AMOUNT.scaleb(decimals):
            raise InvalidInput.of(field, "is out of range")
        units = Decimal(value).scaleb(-decimals)
        return parse_amount(units, in_currency=currency(currency_code), field=field)

    def amount(self, name: str, currency_code: str) -> Decimal:
        """A decimal amount."""
        field = self.path_of(name)
        in_currency = currency(currency_code)
        found = parse_amount(self._value.get(name), in_currency=in_currency, field=field)
        if found < 0:
            raise InvalidInput.of(field, "must not be negative")
        return found

    def instant(self, name: str, otherwise: datetime) -> datetime:
        """An ISO 8601 instant or seconds since 1970, in UTC; `otherwise` when it is not there."""
        value = self._value.get(name)
        if value is None:
            return otherwise
        try:
            if isinstance(value, str):
                parsed = datetime.fromisoformat(value)
                return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
            if isinstance(value, int) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            pass
        raise InvalidInput.of(self.path_of(name), "must be an instant")

    def row_id(self, name: str) -> UUID | None:
        """The id of one of our rows, None when it is not there."""
        text = self.optional_text(name)
        if text is None:
            return None
        try:
            return UUID(text)
        except ValueError:
            raise InvalidInput.of(self.path_of(name), "must be a UUID") from None


def meant_by(part: Part) -> dict[str, Any]:
    """Whom the money is for: `invoice_id`, `invoice_number`, `customer_id`, as far as given.

    A malformed id is an error only when nothing else says it.
    """
    wrong: list[InvalidInput] = []
    found = dict(_meant(part, wrong))
    if wrong and not any(found.values()):
        raise wrong[0]
    return found


def _meant(part: Part, wrong: list[InvalidInput]) -> Iterator[tuple[str, Any]]:
    for name, read in (
        ("invoice_id", part.row_id),
        ("invoice_number", part.optional_text),
        ("customer_id", part.row_id),
    ):
        try:
            yield name, read(name)
        except InvalidInput as error:
            wrong.append(error)
            yield name, None
