"""Become another program that ends when its launcher does.

Run as a script by `netmorph.processes`:
`python -I -S tether.py SIGNAL PARENT UID GID PROGRAM ARGUMENT...`

It gives up root (where UID is not -1), asks the kernel for SIGNAL on the launcher's death and
executes PROGRAM in its place, so no extra process stays. The order matters: the kernel forgets
the wish when the user changes. Where the kernel knows no such wish (macOS), the next launcher
ends what is left.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Replace this process by the program, tethered to PARENT."""
    death_signal, parent, uid, gid = (int(text) for text in arguments[:4])
    program = arguments[4:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the wish was made
            sys.exit("the launcher is gone")
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"cannot execute {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
