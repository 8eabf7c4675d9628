"""The messages between the controller and the workers, and the configuration of a search.

One module per subject:

* the configuration that a user gives: `search_config`, and its parts `budgets`, `bounds` and
  `training`;
* from the controller to a worker: `train_orders`, and their parts `hyperparameters`,
  `training_choices` and `datasets`;
* from a worker to the controller: `leases`, `reports`, `checkpoints`, `results`.

They are made of `message` (the two classes that all extend), `fields` (types of fields) and `blobs`
(bytes in the storage).

Fields may be added here, optional with a default; none is renamed or removed. Readers ignore
fields they do not know, so that an older and a newer release understand each other; the golden
messages under `tests/assets/contracts/` must load in every later release. No number in a message is
NaN or infinite.
"""
