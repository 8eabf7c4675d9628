"""The command gc, against a running service."""


def test_gc_says_what_has_no_use(netmorph, ask, service):
    found = ask("gc", "--dry-run")
    assert {name: set(amount) for name, amount in found.items()} == {
        name: {"blobs", "bytes"} for name in ("superseded", "orphans", "discarded")
    }
    printed = netmorph("gc", "--data-dir", service.directory)
    assert printed.returncode == 0
    assert "files to which nothing refers" in printed.stdout
