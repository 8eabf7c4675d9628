"""The training loop.

`loop` trains a network: rounds of `step`s along the `schedule`, each followed by an `evaluation`.
`kept_weights` are those that the network has in the end. `optimisers` and `averaging` are parts of
a step; `checks` ends a training that cannot succeed.
"""
