"""How the files of a data set were understood, and what may be wrong with them.

`describe` measures a data set. Its results are records of `facts`, which the REST interface shows.
`repetitions` finds equal examples, `summary` says the facts in sentences, and `faults` what may be
wrong.
"""
