"""The trainer process, which owns torch: it reads orders on stdin and writes events to stdout.

`train_job` decodes an order, `run_order` carries it out with what `inputs` read from storage;
`training` is the training loop, `data` prepares batches, `networks` computes, `export` packs the
final network.
"""
