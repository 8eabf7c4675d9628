"""`python -P -m api migrate | serve | healthcheck`.

The processes that suggest import this module again, so everything it needs is behind the guard.
"""

if __name__ == "__main__":
    import sys

    from core.protocol.startup import uncollected

    with uncollected():
        from api.commands import main

    sys.exit(main())
