"""`python -P -m worker.trainer`: the trainer process."""

from core.protocol.startup import uncollected

with uncollected():
    from worker.trainer.process import main

if __name__ == "__main__":
    main()
