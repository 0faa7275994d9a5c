"""Nothing is reachable without a session unless it is named here."""

from reflex.state import State
from reflex_base.utils.format import format_event_handler

from billerjacket_app import guard
from billerjacket_app.billerjacket_app import app
from billerjacket_app.pages.login import LoginState
from billerjacket_app.pages.passwords import ForgotState, ResetState
from billerjacket_app.pages.register import RegisterState


def every_handler(state=State):
    for handler in state.event_handlers.values():
        yield format_event_handler(handler)
    for substate in state.get_substates():
        yield from every_handler(substate)


def test_only_the_loads_of_the_public_pages_run_without_a_session():
    allowed = {
        format_event_handler(LoginState.event_handlers["load"]),
        format_event_handler(RegisterState.event_handlers["load"]),
        format_event_handler(ForgotState.event_handlers["load"]),
        format_event_handler(ResetState.event_handlers["load"]),
    }
    open_to_all = {name for name in every_handler() if name in guard._public | guard._INTERNAL}
    ours = {name for name in open_to_all if "billerjacket_app" in name}
    assert ours == allowed


def test_the_guard_stands_before_every_event():
    assert any(isinstance(middleware, guard.SessionGuard) for middleware in app._middlewares)
