"""The least a Reflex app can be: two pages, a number from the server, a button that counts."""

import reflex as rx


class EmptyState(rx.State):
    """What the pages show."""

    view: str = "loading"
    title: str = ""
    clicks: int = 0

    @rx.event
    def load(self) -> None:
        """As every page of an app does."""
        self.view = "ready"
        self.title = "Two" if self.router.url.path.startswith("/two") else "One"

    @rx.event
    def click(self) -> None:
        """The least an event can do."""
        self.clicks += 1


def page(to: str) -> rx.Component:
    """A heading, a link to the other page, the button."""
    return rx.el.main(
        rx.el.h1(EmptyState.title),
        rx.el.a("The other page", href=to, id="other"),
        rx.el.button("Click", on_click=EmptyState.click, id="act"),
        rx.el.span(EmptyState.clicks, id="answer"),
        rx.el.span(
            id="ready",
            data_view=EmptyState.view,
            data_hydrated=rx.cond(rx.State.is_hydrated, "true", "false"),
        ),
    )


app = rx.App(reset_style=False, toaster=None, app_wraps={})
app.add_page(lambda: page("/two"), route="/", title="One", on_load=EmptyState.load)
app.add_page(lambda: page("/"), route="/two", title="Two", on_load=EmptyState.load)
