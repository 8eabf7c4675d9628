"""Signing in to the dashboard, as a browser does."""

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
