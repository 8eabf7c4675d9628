"""The trainer process, which owns torch: it reads orders on stdin and writes events to stdout.

`train_job` decodes an order, `run_order` carries it out; `job_data` and `initial_weights` read from
storage, `final_fit` compares and exports a final network. `training` is the training loop, `data`
prepares batches, `networks` computes, `export` packs the final network.
"""
