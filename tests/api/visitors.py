"""Signing in to the dashboard, as a browser does."""

import html
import re

import httpx


def enter(client: httpx.Client, key: str, **more: str) -> httpx.Response:
    """Sign in with a key, on the page alone."""
    client.headers.pop("Authorization", None)
    return client.post("/sign-in", data={"key": key, **more})


def token(client: httpx.Client) -> str:
    """The token of the forms of this client's session."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', client.get("/").text)
    assert found is not None
    return found[1]


def fields_in(page: str, action: str) -> dict[str, str]:
    """What a browser would send of the form with this action, as it is shown."""
    found = re.search(rf'<form [^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert found is not None
    sent = {}
    for tag in re.findall(r"<input [^>]*>", found[0]):
        attributes = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        is_box = attributes.get("type") in {"checkbox", "radio"}
        if not is_box or re.search(r"\schecked\b", tag):
            sent[attributes["name"]] = html.unescape(attributes.get("value", ""))
    for name, options in re.findall(r'<select name="(\w+)".*?>(.*?)</select>', found[0], re.DOTALL):
        chosen = re.findall(r"<option([^>]*)>([^<]*)", options)
        attributes, words = next((one for one in chosen if "selected" in one[0]), chosen[0])
        value = re.search(r'value="([^"]*)"', attributes)
        sent[name] = html.unescape(words if value is None else value[1])
    return sent
