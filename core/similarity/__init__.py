"""The similarity of architectures: the edit distance, shared subtrees, and graph features.

`encoding` turns graphs into arrays. From these `edit_distance` computes a layer part
(`levenshtein`) and a skip part (`skips`, `assignment`), `weisfeiler_lehman` counts shared subtrees,
and `graph_features` describes a graph by a few numbers. `distance_cache` keeps distances from one
suggestion to the next.
"""
