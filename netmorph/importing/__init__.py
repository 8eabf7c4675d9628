"""Networks of users become architectures of ours, with their weights, as the start of a search."""
