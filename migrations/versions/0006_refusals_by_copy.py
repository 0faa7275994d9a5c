"""A refused payment message is refused for that copy of it only

Refusals stood under the message's id alone, where they would answer what is sent again too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

RECORDED = "message:payment.apply"
REFUSALS = "message:payment.apply:refused"
FIRST = ":0"
REFUSED = 409

KEYS = sa.table(
    "idempotency_keys",
    sa.column("operation", sa.Unicode),
    sa.column("key", sa.Unicode),
    sa.column("status_code", sa.Integer),
)


def upgrade() -> None:
    op.execute(
        KEYS.update()
        .where(KEYS.c.operation == RECORDED, KEYS.c.status_code == REFUSED)
        .values(operation=REFUSALS, key=KEYS.c.key + FIRST)
    )


def downgrade() -> None:
    # Without its number a refusal of a later copy would answer for the message.
    op.execute(KEYS.delete().where(KEYS.c.operation == REFUSALS, ~KEYS.c.key.endswith(FIRST)))
    op.execute(
        KEYS.update()
        .where(KEYS.c.operation == REFUSALS)
        .values(operation=RECORDED, key=sa.func.replace(KEYS.c.key, FIRST, ""))
    )
