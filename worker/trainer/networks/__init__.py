"""Networks of torch: `network` computes one architecture, `ensemble` several.

`compute` chooses precision, layout and threads; `latency` times the prediction of one example.
"""
