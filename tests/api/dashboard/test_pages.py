"""The dashboard's pages over HTTP: what they show, and to whom."""

import csv
import io
import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from api.dashboard.search_pages import TABS
from api.edge.headers import CONTENT_SECURITY_POLICY
from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Epoch, Trial
from api.models.workers import Worker
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from tests.api.dashboard.conftest import best_of
from tests.api.visitors import token


def test_pages_of_other_users_are_not_found(visitor, person, world):
    search_id = world.search(person().caller)
    trial_id = world.trial(search_id)
    for path in (
        *tabs(search_id),
        f"/searches/{search_id}/trials.csv",
        f"/ui/searches/{search_id}/state",
        f"/ui/searches/{search_id}/trials",
        f"/ui/searches/{search_id}/front",
        f"/ui/searches/{search_id}/figures/best-so-far",
        f"/ui/searches/{search_id}/events/stream",
        f"/searches/{search_id}/export",
        f"/trials/{trial_id}",
        f"/ui/trials/{trial_id}/figures/curves",
    ):
        assert visitor.http.get(path).status_code == 404, path
    sent = {"token": token(visitor.http)}
    assert visitor.http.post(f"/searches/{search_id}/stop", data=sent).status_code == 404
    assert world.get_search(search_id).ended_at is None


def test_the_front_is_on_the_page_of_a_search_with_a_cost(visitor, world):
    plain, small = world.search(visitor.caller), world.search(visitor.caller, cost="flops")
    trial_id = world.trial(small, value=0.5, latency=0.00125)

    page = visitor.http.get(f"/searches/{small}?tab=front").text
    assert f'data-figure="/ui/searches/{small}/figures/front"' in page
    assert "both accuracy and flops" in page
    part = visitor.http.get(f"/ui/searches/{small}/front").text
    assert f"/trials/{trial_id}" in part
    assert "1.25 ms" in part
    assert "minimises no cost; parameters are shown" in (
        visitor.http.get(f"/searches/{plain}?tab=front").text
    )


@pytest.fixture
def architecture(world):
    return roots(world.dataset_spec(), Bounds())[0].to_json()


def test_a_trial_that_continues_its_parents_training_says_so(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    root = world.trial(search_id, architecture=architecture, weights_key="weights/0")
    longer = world.trial(
        search_id, architecture=architecture, parent_id=root, inherited=True,
        validation_loss=0.125, precision="bf16 <i>",
    )  # fmt: skip
    page = visitor.http.get(f"/trials/{longer}").text
    assert f'Continues <a href="/trials/{root}">trial 0</a> with its weights' in page
    assert 'class="key new"' not in page
    assert "loss 0.1250" in page
    assert "computed in bf16 &lt;i&gt;" in page
    listed = visitor.http.get(f"/ui/searches/{search_id}/trials").text
    assert "continues trial 0" in listed
    assert ">a root<" in visitor.http.get(f"/trials/{root}").text
    given = world.search(visitor.caller, root=world.network(visitor.caller))
    root = world.trial(given, architecture=architecture)
    assert ">the given network<" in visitor.http.get(f"/trials/{root}").text
    lineage = visitor.http.get(f"/searches/{given}?tab=lineage").text
    assert "trial 0, waiting: the given network" in lineage


def test_a_final_fit_is_shown_beside_the_winner(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    wider = [{"text": "widen convolution 3", "data": {"kind": "widen"}}]
    root = world.trial(search_id, architecture=architecture, seconds=30.0)
    best = world.trial(
        search_id, architecture=architecture, parent_id=root, morphisms=wider, seconds=10.0
    )
    compared = {
        "examples": 250, "before": 0.905, "after": 0.9, "exported": "winner",
        "reason": "<b>it is better</b>",
    }  # fmt: skip
    final = world.trial(
        search_id, kind="final", architecture=architecture, parent_id=best, inherited=True,
        seconds=10.0, comparison=compared, test_metric=0.9, test_loss=0.3, test_examples=360,
        export_key="exports/x.zip", export_bytes=9000,
    )  # fmt: skip
    words = "he winner&#39;s own weights are exported: &lt;b&gt;it is better&lt;/b&gt;"
    page = visitor.http.get(f"/trials/{final}").text
    assert f'From <a href="/trials/{best}">trial 1</a> with its weights: final fit' in page
    assert f"T{words}." in page
    assert "<dt>Test accuracy</dt><dd>90.00 %" in page
    assert "360 examples, tested once" in page
    assert "<dt>Predicted</dt>" not in page
    assert f"t{words}<" in visitor.http.get(f"/ui/searches/{search_id}/trials").text
    search = visitor.http.get(f"/searches/{search_id}").text
    assert f"T{words}." in search
    assert "20 % of the training time went into the winner" in search  # 10 of 50 s


def test_an_ensemble_is_shown_in_words(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    first, best = (world.trial(search_id, architecture=architecture) for _ in "12")
    final = world.trial(
        search_id, kind="final", architecture=architecture, parent_id=best, inherited=True,
        members=[1, 0], seconds=10.0, test_metric=0.9, test_loss=0.3, test_examples=360,
        export_key="exports/x.zip", export_bytes=9000, latency=0.002,
    )  # fmt: skip
    words = "an ensemble of trials 0 and 1"
    assert f"with its weights: final fit of {words}" in visitor.http.get(f"/trials/{final}").text
    assert f"final fit of {words}" in visitor.http.get(f"/ui/searches/{search_id}/trials").text
    assert (
        f"parameters, 2 ms for one example: {words}<"
        in visitor.http.get(f"/searches/{search_id}").text
    )
    assert "ensemble of" not in visitor.http.get(f"/trials/{first}").text


def test_names_are_shown_as_text_not_markup(visitor, world):
    search_id = world.search(visitor.caller)
    world.set(Search, search_id, name="<script>alert(1)</script>", reason="<img src=x>")
    for path in ("/", f"/searches/{search_id}"):
        page = visitor.http.get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


def test_pages_load_nothing_from_other_sites(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    trial_id = world.trial(search_id, architecture=architecture)
    for path in ("/", "/data-sets", "/workers", *tabs(search_id), f"/trials/{trial_id}"):
        page = visitor.http.get(path)
        assert page.status_code == 200, path
        assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert re.findall(r'(?:src|href)="(?!/|#)([^"]*)"', page.text) == []
        assert "style=" not in page.text
        assert not re.search(r"<script(?![^>]*src=)", page.text)


def test_errors_on_pages_are_pages(visitor):
    answer = visitor.http.get("/searches/00000000-0000-0000-0000-000000000000")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def tabs(search_id):
    return [f"/searches/{search_id}?tab={tab}" for tab in TABS]


BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/nothing", "/searches/1/2/3", "/static/none.css"])
def test_a_browser_sees_a_page_for_an_unknown_path_and_a_program_a_problem(visit, path):
    client = visit()
    seen = client.get(path, headers={"Accept": BROWSER})
    read = client.get(path)
    assert (seen.status_code, read.status_code) == (404, 404)
    assert seen.headers["content-type"].startswith("text/html")
    assert "There is no page at this address." in seen.text
    assert read.headers["content-type"] == "application/problem+json"


def test_unknown_paths_and_methods_of_the_rest_interface_are_problems_also_in_a_browser(visit):
    client = visit()
    for method, path, status in (("GET", "/v1/nothing", 404), ("PUT", "/v1/searches", 405)):
        answer = client.request(method, path, headers={"Accept": BROWSER})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("parallelism", "words"), [(1, "1 trial at once"), (2, "2 trials at once")]
)
def test_a_search_says_how_many_trials_it_runs_at_once(visitor, world, parallelism, words):
    search_id = world.search(visitor.caller, parallelism=parallelism)
    assert words in visitor.http.get(f"/searches/{search_id}").text


@pytest.mark.parametrize("path", ["/searches/x", "/trials/%00", f"/?cursor={'x' * 600}"])
def test_an_address_that_cannot_be_read_is_answered_with_a_page(visitor, path):
    response = visitor.http.get(path)
    assert response.status_code == 422
    assert response.headers["content-type"].startswith("text/html")
    assert "Invalid request" in response.text


@pytest.mark.parametrize(("path", "target"), [("/searches", "/"), ("/ui/datasets", "/data-sets")])
def test_the_address_of_a_form_leads_to_its_page(visitor, path, target):
    answer = visitor.http.get(path, headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["location"]) == (303, target)


def test_a_browser_sees_a_page_also_for_wrong_methods_and_ended_sessions(visitor, visit, world):
    search_id = world.search(visitor.caller)
    for client, path, status in (
        (visitor.http, f"/searches/{search_id}/stop", 405),
        (visitor.http, "/sign-out", 405),
        (visit(), f"/ui/searches/{search_id}/figures/front", 401),
    ):
        answer = client.get(path, headers={"Accept": BROWSER})
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")


def test_the_json_of_a_trial_opens_with_the_session(visitor, person, world, architecture):
    trial_id = world.trial(world.search(visitor.caller), architecture=architecture)
    (link,) = re.findall(
        r'href="([^"]*)">JSON</a></p>\s*<div class="scroll tall"',
        visitor.http.get(f"/trials/{trial_id}").text,
    )
    answer = visitor.http.get(link)
    assert answer.json()["architecture"] == architecture
    theirs = world.trial(world.search(person().caller))
    assert visitor.http.get(link.replace(str(trial_id), str(theirs))).status_code == 404


def test_an_architecture_of_another_release_does_not_fail_the_page(visitor, world):
    trial_id = world.trial(world.search(visitor.caller), architecture={"version": 99})
    page = visitor.http.get(f"/trials/{trial_id}")
    assert page.status_code == 200
    assert "This architecture cannot be drawn" in page.text


def test_nothing_is_cut_from_a_large_search(visitor, world, large):
    with world.sessions.begin() as session:
        best = best_of(session, large)
    page = visitor.http.get(f"/searches/{large}?tab=trials").text
    assert page.count("<tr") < 400
    assert ">600–699 (best)</a>" in page
    last = visitor.http.get(f"/ui/searches/{large}/trials?page=7").text
    assert [int(n) for n in re.findall(r'class="strong"[^>]*>(\d+)<', last)] == list(
        range(600, 620)
    )
    best_row = (
        rf'<tr class="best">\s*<td[^>]*><input[^>]*><a class="strong" href="/trials/{best}">618'
    )
    assert re.search(best_row, last)
    assert "no trials on this page" in visitor.http.get(f"/ui/searches/{large}/trials?page=8").text
    lineage = visitor.http.get(f"/ui/searches/{large}/lineage").text
    assert str(best) in lineage
    assert lineage.count("<circle") == 41  # the best and its siblings, which are roots; what runs
    assert "41 of 620 trials" in lineage
    everything = visitor.http.get(f"/ui/searches/{large}/lineage?lineage=all").text
    assert everything.count("<circle") == 620


def test_the_figures_of_a_large_search_have_all_trials(visitor, person, world, large):
    def figure(name):
        lines = visitor.http.get(f"/ui/searches/{large}/figures/{name}").json()["data"]
        return {line["name"]: line for line in lines}

    assert figure("best-so-far")["best so far"]["y"][-1] == 0.618
    curves = figure("learning-curves")
    assert len(curves) == 25
    assert curves["trial 619"]["y"] == [0.25]  # the running one
    assert curves["trial 618"]["y"] == [0.5]
    assert curves["trial 618"]["mode"] == "markers"  # a line of one epoch would not be seen
    drawn = figure("front")["front"]["text"]
    table = visitor.http.get(f"/ui/searches/{large}/front").text
    headers = {"Authorization": f"Bearer {visitor.key}"}
    rest = visitor.http.get(f"/v1/searches/{large}/front", headers=headers).json()["items"]
    assert [int(one) for one in drawn] == [one["number"] for one in rest] == [618]
    assert re.findall(r'class="strong"[^>]*>(\d+)<', table) == ["618"]


def numbers(page):
    return [int(n) for n in re.findall(r'class="strong" href="/trials/[^"]*">(\d+)<', page)]


def test_trials_are_filtered_and_sorted_on_the_server_and_downloaded(visitor, world):
    search_id = world.search(visitor.caller)
    wider = [{"text": "widen 50% of it", "data": {"kind": "widen"}}]
    for values in (
        {"value": 0.5, "status": "completed"},
        {"value": 0.9, "status": "completed", "morphisms": wider, "worker": "=HYPERLINK(1)"},
        {"status": "failed", "reason": "no disk"},
        {"value": 0.7, "status": "completed", "morphisms": wider},
    ):
        ended = {"ended_at": datetime.now(UTC), "report_digest": b"1"}
        world.trial(search_id, **(values | ended))
    for query, expected in (
        ("", [0, 1, 2, 3]),
        ("sort=-value", [1, 3, 0, 2]),  # without a value: last, in both directions
        ("sort=value", [0, 3, 1, 2]),
        ("status=failed", [2]),
        ("status=completed&sort=-number", [3, 1, 0]),
        ("text=50%25", [1, 3]),
        ("text=5_%25", []),
        ("text=NO+DISK&sort=number", [2]),
    ):
        shown = visitor.http.get(f"/searches/{search_id}?tab=trials&{query}").text
        assert numbers(shown) == expected, query
        read = csv.DictReader(
            io.StringIO(visitor.http.get(f"/searches/{search_id}/trials.csv?{query}").text)
        )
        rows = list(read)
        assert [int(row["number"]) for row in rows] == expected, query
        assert all(row["worker"] in ("", "'=HYPERLINK(1)") for row in rows)
    for wrong in ("sort=name", "status=done", "tab=none", "text=%00", f"text={'x' * 101}"):
        assert visitor.http.get(f"/searches/{search_id}?{wrong}").status_code == 422, wrong
    kept = visitor.http.get(f"/searches/{search_id}?tab=trials&sort=-value&status=completed").text
    assert re.search(r'data-fragment="[^"]*trials\?sort=-value&amp;status=completed"', kept)
    assert "<option selected>completed</option>" in kept


def test_the_overview_shows_how_far_running_trials_are(visitor, world):
    search_id = world.search(visitor.caller)
    trial_id = world.trial(search_id, hyperparameters={"epochs": 8}, worker="a worker")
    world.set(Trial, trial_id, status="running")
    request = world.worker()
    with world.sessions.begin() as session:
        columns = request.model_dump(exclude={"worker_id", "exports"})
        session.add(Worker(id=request.worker_id, **columns))
        session.flush()
        session.add(
            Lease(
                trial_id=trial_id, attempt=1, token=uuid4(), worker_id=request.worker_id,
                boot_id=request.boot_id, expires_at=datetime.now(UTC), epochs=2,
            )
        )  # fmt: skip
        session.add(Epoch(trial_id=trial_id, attempt=1, epoch=2, seconds=10.0))
    page = visitor.http.get(f"/searches/{search_id}").text
    assert "<span>2 of 8</span>" in page
    assert "about 30 s" in page
    timed = {"epochs": 1_000_000, "max_seconds": 45.0}  # the seconds alone limit it
    world.set(Trial, trial_id, hyperparameters=timed)
    page = visitor.http.get(f"/searches/{search_id}").text
    assert "<span>2 of 9</span>" in page
    assert "about 35 s" in page


def test_the_surrogate_is_judged_by_completed_trials_and_morphisms_by_their_parents(visitor, world):
    search_id = world.search(visitor.caller)
    done = {"status": "completed", "ended_at": datetime.now(UTC), "report_digest": b"1"}
    wider = [{"text": "widen it", "data": {"kind": "widen"}}]
    root = world.trial(search_id, value=0.5, **done)
    for value in (0.6, 0.9):
        world.trial(
            search_id, parent_id=root, morphisms=wider, value=value, predicted_mean=0.55,
            predicted_std=0.1, **done,
        )  # fmt: skip
    stopped = done | {"status": "stopped"}
    world.trial(search_id, value=0.1, predicted_mean=0.8, predicted_std=0.1, **stopped)
    page = " ".join(visitor.http.get(f"/searches/{search_id}?tab=surrogate").text.split())
    assert "1 of 2<span" in page  # within one standard deviation
    assert re.search(r"<strong>widen</strong>.*?>2<.*?>2<.*?25.00 %.*?40.00 %", page)
    assert "+3.5 σ" in page
    assert "each had the best upper bound: 2 standard deviations better than predicted." in page
    assert "stopped early" in page
    log = visitor.http.get(f"/searches/{search_id}?tab=log").text
    assert log.count("<li>") == 2 + 4 * 2  # search: created, started; trials: suggested, ended
