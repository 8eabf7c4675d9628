"""The values that people send and see: bodies of the REST interface, shown on the dashboard.

One module per resource:

* searches: `new_searches` (to create or to preview), `searches`, `final_fits`, `fronts`;
* trials: `trials`, `epochs`, `exports`, `enqueued` (networks that wait for their trials);
* what a search starts from: `datasets`, `networks`, `operations` (imports that go on);
* the service: `workers`, `queue`, `storage`, `keys`, `webhooks`.

They are made of `bodies` (what all have in common), `fields` (of several answers) and `texts`
(names and notes). A request is called `…In` or `…Patch`, an answer `…Out` or `…Page`.
"""
