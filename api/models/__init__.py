"""The tables. Closed sets and finite numbers are CHECKs; the migrations build the same schema.

One module per subject:

* searches: `searches`, `trials`, and what they start from: `datasets`, `networks`;
* the service: `workers`, `leases`, `keys`, `operations`, `webhooks`, `blobs`.

All extend the class in `table`. The package imports each module, so that the metadata has every
table, whichever of them is needed first.

A row of `leases` exists exactly while its trial is running. `versions` is apart from `searches`
so that reports of trials, which all raise it, never wait for a transaction that has locked the
search. A transaction that needs several rows locks search, leases, trials, versions in this order.
"""

from core.registry import import_modules

import_modules(__name__, __path__)
