"""`python -P -m netmorph`: the command line."""

from netmorph.cli import main

main()
