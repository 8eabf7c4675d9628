"""The worker: a Celery process that leases trials and a trainer process that owns torch."""
