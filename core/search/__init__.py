"""How a search goes: what is tried next, for how long, when it ends and which trial wins.

`step` is the one entry: from a snapshot of the history (`history`) to suggestions. `race`,
`tuning` and the strategies make them, `acquisition` and `pareto` say what a candidate is worth.
`budget` decides what a search does next, `halving` which trials stop early, `choice` which one
wins, `defaults` and `recipe` what nobody chose.
"""
