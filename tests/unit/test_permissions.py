"""Every pair of role and action, against the table a person wrote down."""

import pytest

from backend.actor import PERMISSIONS, Action, Actor, PlatformActor, Role
from backend.errors import NotAllowed
from backend.ids import new_id

# One letter a role: Admin, Finance, Support (S), superadmin (P, for the platform).
MAY = {
    Action.READ: "AFS",
    Action.CUSTOMERS_WRITE: "AF",
    Action.INVOICES_WRITE: "AF",
    Action.INVOICES_VOID: "A",
    Action.PAYMENTS_WRITE: "AF",
    Action.DUNNING_WRITE: "AF",
    Action.SUPPORT_TOOLS: "ASP",
    Action.SUPPORT_PURGE: "AP",
    Action.TENANT_ADMIN: "A",
    Action.PLATFORM_ADMIN: "P",
}
LETTERS = {Role.ADMIN: "A", Role.FINANCE: "F", Role.SUPPORT: "S", Role.SUPERADMIN: "P"}


def test_the_table_covers_every_action_and_role():
    assert set(MAY) == set(Action)
    assert set(LETTERS) == set(Role) == set(PERMISSIONS)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", list(Action))
def test_a_role_may_do_exactly_what_the_table_says(role: Role, action: Action):
    allowed = LETTERS[role] in MAY[action]
    for actor in (
        Actor(new_id(), role, "somebody", "correlation"),
        PlatformActor("somebody", "correlation", role=role),
    ):
        if allowed:
            actor.require(action)
        else:
            with pytest.raises(NotAllowed) as refusal:
                actor.require(action)
            assert refusal.value.code == "role_not_allowed"
