"""Netmorph's command line, launcher and Python client; speaks to the service over HTTP."""
