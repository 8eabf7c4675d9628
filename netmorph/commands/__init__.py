"""The commands of `netmorph`, a module for each group of them."""
