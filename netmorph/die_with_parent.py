"""Replaces this process by a program that the kernel ends when the launcher ends.

Run as a script by `netmorph.processes`:
`python -I -S die_with_parent.py SIGNAL PARENT UID GID PROGRAM ARGUMENT...`

The process gives up root (unless UID is -1), asks the kernel for SIGNAL at the launcher's death and
executes PROGRAM, so no extra process remains. The order matters: the kernel drops the request when
the user changes. Other kernels than Linux have no such request; there the next launcher ends the
left-over processes.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Execute the program, which gets the signal when PARENT ends."""
    death_signal, parent, uid, gid = (int(text) for text in arguments[:4])
    program = arguments[4:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # the launcher died before the request
            sys.exit("the launcher has ended")
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"cannot execute {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
