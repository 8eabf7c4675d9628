"""Architectures: immutable graphs of layers, their weights, their cost, and the roots.

`architecture` defines the graph and `node` its nodes; `validation` checks the graph, `fingerprint`
identifies it independently of node ids, and `segments` finds the channels that must have the same
width. `weights`, `initialisation` and `forward` are a network in numpy. `cost`, `latency` and
`speed` estimate its memory, prediction time and training time (`timing` fits the last two to
measurements). `bounds` decides whether a search may use an architecture, and `roots` builds the
architectures that a search starts from.
"""
