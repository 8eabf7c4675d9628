"""The Celery process: it leases trials, has a trainer process train them, and reports the results.

`supervisor` takes one trial from its lease to its delivered result; `warm_trainer` keeps the
`trainer_process` that trains it; `monitor` decides when the training is over; `lease` keeps the
trial leased meanwhile; `controller_client` speaks HTTP to the controller, `notifications` reads
the broker's queue. `slot` gives the worker an id and a GPU, `health` and `logs` show its state. No
torch here.
"""
