"""The HTTP edge: everything between a request and the store that routes and pages share.

Connections have deadlines (`server`). Requests are limited (`limits`) and authenticated
(`authentication`, which slows down wrong keys: `throttle`), uploads before they are read
(`uploads`). Errors become problem documents (`errors`), responses get the headers that browsers
obey (`headers`) and are compressed (`compression`).
"""
