"""A worker: an agent process that leases trials, and a trainer process that trains them.

`agent` is the Celery process: it talks to the broker and the controller and never imports torch.
`trainer` is the process that owns torch; `layers` and `tasks` are the torch side of `core.layers`
and `core.tasks`. The two processes exchange `messages`.
"""
