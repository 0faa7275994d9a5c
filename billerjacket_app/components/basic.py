"""The smallest pieces: icons, buttons, links, badges, amounts, times, ids, facts.

Plain HTML elements with classes of app.css. No component library: a page then weighs little and
every element is what it says it is. All take Vars as well as Python values.

    icon("mail")                        decoration; never the only carrier of a meaning
    button("Send invoice", kind="primary", on_click=…)      a verb and its object
    link_button("New invoice", href=…)  looks like a button, is a link
    badge(row.badge)                    a status.Badge: word, icon, colour
    money(row.balance)                  text already formatted; right-aligned figures
    when(row.updated)                   a format.When as <time>, exact time on hover
    copy_id(value)                      a long id, shortened, with a copy button
    facts([("Due", …), …])              a description list
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import reflex as rx

from billerjacket_app import theme

Node = Any  # a component, a Var or text


def icon(name: str | rx.Var[str], *, size: theme.IconSize = 16) -> rx.Component:
    """A symbol of assets/icons.svg, hidden from screen readers."""
    extra = "" if size == 16 else f" s{size}"
    href: Any = f"/icons.svg#{name}" if isinstance(name, str) else "/icons.svg#" + name.to(str)
    return rx.el.svg(rx.el.svg.use(href=href), class_name=f"icon{extra}", aria_hidden="true")


def button(
    *content: Node, kind: theme.ButtonKind = "plain", class_name: str = "", **props: Any
) -> rx.Component:
    """A button; `type="button"` unless told otherwise."""
    return rx.el.button(
        *content,
        type=props.pop("type", "button"),
        class_name=theme.button_class(kind, class_name),
        **props,
    )


def locked(name: str, label: str, reason: str) -> rx.Component:
    """A button that cannot be pressed, and in words why not."""
    return rx.el.span(
        button(label, disabled=True, aria_describedby=f"why-{name}", data_testid=f"{name}-locked"),
        rx.el.span(reason, id=f"why-{name}", class_name="small muted"),
        class_name="row locked",
    )


def link_button(
    *content: Node, href: Any, kind: theme.ButtonKind = "plain", **props: Any
) -> rx.Component:
    """A link that looks like a button."""
    return rx.el.a(*content, href=href, class_name=theme.button_class(kind), **props)


def link(*content: Node, href: Any, **props: Any) -> rx.Component:
    """A link inside the app, underlined."""
    return rx.el.a(*content, href=href, class_name="link", **props)


def download_link(*content: Node, href: Any, **props: Any) -> rx.Component:
    """A link to a file the server makes: the browser loads it, the app's router does not."""
    return rx.el.a(
        icon("download", size=14), *content, href=href, reload_document=True,
        class_name=theme.button_class(), **props,
    )  # fmt: skip


def badge(look: Any, **props: Any) -> rx.Component:
    """A status: `look` is a status.Badge or a Var of one."""
    return rx.el.span(
        icon(look.icon, size=12),
        look.label,
        class_name="badge b-" + look.scale,
        data_testid=props.pop("data_testid", "badge-status"),
        **props,
    )


def money(text: Any, **props: Any) -> rx.Component:
    """An amount, formatted on the server."""
    return rx.el.span(text, class_name="num nowrap", **props)


def when(moment: Any, **props: Any) -> rx.Component:
    """An instant: `moment` is a format.When or a Var of one."""
    return rx.el.time(moment.text, date_time=moment.iso, title=moment.title, **props)


def day(text: Any) -> rx.Component:
    """A calendar date, `2026-08-11`."""
    return rx.el.span(text, class_name="mono nowrap")


def copy_id(value: Any, *, label: str, shown: Any = None) -> rx.Component:
    """An id with a button that copies all of it; `label` names what is copied."""
    return rx.el.span(
        rx.el.span(value if shown is None else shown, class_name="mono", title=value),
        button(
            icon("copy", size=12),
            kind="quiet",
            aria_label=f"Copy {label}",
            custom_attrs={"data-copy": value},
        ),
        class_name="copy",
    )


def fact(label: str, *value: Node, **props: Any) -> rx.Component:
    """One entry of `facts`."""
    return rx.el.div(rx.el.dt(label), rx.el.dd(*value), **props)


def facts(*entries: rx.Component, **props: Any) -> rx.Component:
    """A description list in columns."""
    return rx.el.dl(*entries, class_name="facts", **props)


def card(*content: Node, **props: Any) -> rx.Component:
    """A bordered panel."""
    return rx.el.div(*content, class_name=f"card {props.pop('class_name', '')}".strip(), **props)


def section(title: str, *content: Node, aside: Node = None, **props: Any) -> rx.Component:
    """A part of a page under its own heading; `aside` stands beside the heading."""
    head = [rx.el.h2(title)] + ([aside] if aside is not None else [])
    return rx.el.section(
        rx.el.div(*head, class_name="sec-head"), *content, class_name="sec", **props
    )


def callout(
    *content: Node, tone: theme.CalloutTone = "plain", symbol: str = "info", **props: Any
) -> rx.Component:
    """A remark that stays on the page. With `role="alert"` it is read out at once."""
    return rx.el.div(
        icon(symbol),
        rx.el.div(*content),
        class_name="callout" if tone == "plain" else f"callout {tone}",
        **props,
    )


def joined(parts: Sequence[Node]) -> rx.Component:
    """Parts of one line, with a middle dot between them."""
    out: list[Node] = []
    for part in parts:
        out += [" · ", part] if out else [part]
    return rx.fragment(*out)
