"""The HTTP edge: everything between a request and the store that routes and pages share.

Requests are limited (`limits`) and authenticated (`authentication`), errors become problem
documents (`errors`), responses get the headers that browsers obey (`headers`).
"""
