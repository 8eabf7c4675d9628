"""The Celery process: it leases trials, has a trainer process train them, and reports the results.

`supervisor` runs one order on the `trainer_process`; `monitor` decides when its training is over;
`lease` keeps the trial leased meanwhile; `controller_client` speaks HTTP to the controller,
`notifications` reads the broker's queue. `slot` gives the worker an id and a GPU, `health` and
`logs` show how it is. No torch here.
"""
