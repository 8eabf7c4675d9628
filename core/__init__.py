"""The mathematics and the rules of Netmorph: no torch, no SQL, no HTTP, no clock."""
