"""Architectures: immutable graphs of layers, their weights, their cost, and the roots.

`architecture` has the graph itself, `node` its parts; `fingerprint` names a graph whatever the
numbers of its nodes, `segments` says which channels grow together, `validation` what a graph must
satisfy. `weights`, `initialisation` and `forward` are the numpy side of a network; `cost`,
`latency` and `speed` say what it takes, `bounds` whether a search may use it, `roots` where a
search starts.
"""
