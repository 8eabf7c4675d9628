"""How alike two architectures are: the edit distance, shared subtrees, numbers of the form.

`encoding` turns graphs into arrays. From these `edit_distance` adds a layer part (`levenshtein`)
and a skip part (`skips`, `assignment`); `weisfeiler_lehman` counts shared subtrees and
`graph_features` describes a graph by a few numbers. `distance_cache` keeps distances between
suggestions.
"""
