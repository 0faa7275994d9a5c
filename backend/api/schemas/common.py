"""What many answers share, and the words of the OpenAPI document for it.

Models of answers describe; they do not run. Answers are rendered straight from the services'
views (see `render`), and a test holds them against these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

AMOUNT = "^-?[0-9]+(\\.[0-9]{2})?$"
Money = Annotated[str, Field(pattern=AMOUNT, examples=["1234.50"])]
Number = Annotated[str, Field(pattern="^[0-9]+(\\.[0-9]{1,4})?$", examples=["2.5"])]
Uuid = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "uuid",
            "examples": ["0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55"],
        }
    ),
]
Date = Annotated[
    str, WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-31"]})
]
Instant = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "examples": ["2026-03-04T18:00:00Z"],
            "description": "UTC, ISO 8601.",
        }
    ),
]


class Body(BaseModel):
    """Base of what a caller sends. Fields we do not know are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Answer(BaseModel):
    """Base of what we answer: every field is always there."""

    model_config = ConfigDict(extra="forbid")


def example(**values: Any) -> ConfigDict:
    """The model's example in the document."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class ProblemField(Answer):
    """One field that is wrong."""

    field: str = Field(description="Its path in the body, dotted, or the query parameter's name.")
    message: str


class Problem(BaseModel):
    """An error (RFC 9457). `code` is stable; further members are the error's facts."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = Field(description="What is wrong, in a sentence for a person.")
    instance: str = Field(description="The path that was asked.")
    code: str
    correlation_id: str
    errors: list[ProblemField] | None = Field(
        default=None, description="Only when the input is invalid: every field that is wrong."
    )


class Queued(Answer):
    """Accepted; the worker does it. The correlation id leads to what comes of it."""

    model_config = example(status="queued", correlation_id="9a5c2f4be21d4b0c8d5a3f0c1e7b6a42")

    status: Literal["queued"]
    correlation_id: str
