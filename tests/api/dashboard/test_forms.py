"""The forms of the dashboard: what they change, and how wrong ones are refused."""

import io
import json
import re
import time

import httpx
import numpy as np
from PIL import Image
from sqlalchemy import text

from api.models.searches import Search
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.training import Training
from tests.api.background import ASYNC, npz
from tests.api.visitors import enter, fields_in, token

FORM = {"dataset": "digits", "trials": "3", "strategy": "random", "parallelism": "1", "seed": "0"}


def test_the_form_starts_a_search(visitor, world):
    form = FORM | {"token": token(visitor.http), "name": "from the form"}
    made = visitor.http.post("/searches", data=form)
    assert made.status_code == 303
    page = visitor.http.get(made.headers["location"])
    assert "from the form" in page.text
    search = world.get_search(made.headers["location"].rpartition("/")[2])
    assert (search.owner_id, search.trial_limit) == (visitor.caller.key_id, 3)


def test_the_buttons_steer_a_search(visitor, world):
    search_id = world.search(visitor.caller)
    form = {"token": token(visitor.http)}
    for action, status in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        answer = visitor.http.post(f"/searches/{search_id}/{action}", data=form)
        assert answer.headers["location"] == f"/searches/{search_id}"
        assert world.get_search(search_id).status == status
    again = visitor.http.post(f"/searches/{search_id}/pause", data=form)
    assert (again.status_code, "Conflict" in again.text) == (409, True)
    gone = visitor.http.post(f"/searches/{search_id}/delete", data=form)
    assert gone.headers["location"] == "/"
    assert visitor.http.get(f"/searches/{search_id}").status_code == 404


WRONG = (
    ("trials", "many", "Trials: expected a whole number"),
    ("trials", "", "give a number of trials, or minutes, or both"),
    ("minutes", "0.01", "expected minutes from 0.17 to 43,200"),
    ("minutes", "soon", "expected minutes from 0.17 to 43,200"),
    ("parallelism", "0", "Trials at once: expected at least 1"),
    ("seed", "-1", "Seed: expected at least 0"),
    ("dataset", "imagenet", "there is no data set"),
    ("name", "\u202eevil", "control or unprintable"),
)


def test_a_wrong_field_is_marked_and_nothing_is_lost(visitor, world):
    right = FORM | {"token": token(visitor.http), "name": 'my "name"'}
    for field, value, message in WRONG:
        answer = visitor.http.post("/searches", data=right | {field: value})
        assert answer.status_code == 422
        (error,) = re.findall(r'<span class="error" id="([a-z]+)-error"[^>]*>([^<]*)<', answer.text)
        assert error[0] == field
        assert message in error[1]
        assert field == "name" or "my &#34;name&#34;" in answer.text
    with world.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM searches")).scalar_one() == 0


def test_a_data_set_is_uploaded_and_a_wrong_one_refused(visitor):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((20, 4, 4), np.uint8), y=np.arange(20) % 2)
    form = {"token": token(visitor.http), "name": "<b>mine</b>"}
    for content, status in ((b"<i>none</i>", 422), (buffer.getvalue(), 303)):
        answer = visitor.http.post("/ui/datasets", data=form, files={"file": ("x", content)})
        assert answer.status_code == status
        assert ("the file is of no known format" in answer.text) == (status == 422)
        assert ('value="&lt;b&gt;mine&lt;/b&gt;"' in answer.text) == (status == 422)  # kept
    page = visitor.http.get("/data-sets").text
    assert "&lt;b&gt;mine" in page
    assert "<b>" not in page


def test_an_upload_whose_page_prefers_it_is_imported_after_the_answer(visitor, person, gate):
    form = {"token": token(visitor.http), "name": "mine"}

    def upload(content: bytes, **changes: str):
        files = {"file": ("x", content)}
        return visitor.http.post("/ui/datasets", data=form | changes, files=files, headers=ASYNC)

    answer = upload(npz())
    assert (answer.status_code, answer.content) == (202, b"")
    gate.wait_for_entry()
    step = answer.headers["location"]
    assert visitor.http.get(step).json() == {"step": "reading the file"}
    other = person()
    assert enter(other.http, other.key).status_code == 303
    assert other.http.get(step).status_code == 404
    gate.open.set()
    done = followed(visitor.http, step)
    understood = visitor.http.get(done["page"]).text
    assert "How it was understood" in understood
    bars = re.findall(
        r'<progress value="(\d+)" max="(\d+)"[^>]*></progress><span class="sub">([\d.]+) %',
        understood,
    )
    assert bars
    assert all(f"{100 * int(n) / int(most):.1f}" == share for n, most, share in bars)

    failed = followed(visitor.http, upload(npz(), layout="NHWC").headers["location"])
    assert failed["field"] == "layout"
    assert "as layout 'NHWC'" in failed["message"]
    assert followed(visitor.http, upload(b"none").headers["location"]) == {
        "field": "file",
        "message": "the file is of no known format; expected one of those that this page lists",
    }
    assert upload(npz(), image_side="0").status_code == 422  # what is known before is said at once


def test_an_import_is_cancelled_by_the_page_that_follows_it(visitor, person, gate):
    form = {"token": token(visitor.http), "name": "mine"}
    answer = visitor.http.post(
        "/ui/datasets", data=form, files={"file": ("x", npz())}, headers=ASYNC
    )
    gate.wait_for_entry()
    step = answer.headers["location"]
    assert visitor.http.post(f"{step}/cancel").status_code == 403  # without the token
    other = person()
    assert enter(other.http, other.key).status_code == 303
    theirs = {"token": token(other.http)}
    assert other.http.post(f"{step}/cancel", data=theirs).status_code == 404
    assert visitor.http.get(step).json() == {"step": "reading the file"}

    cancelled = visitor.http.post(f"{step}/cancel", data=form)

    assert (cancelled.status_code, cancelled.headers["location"]) == (303, "/data-sets")
    said = {"field": "file", "message": "The import was cancelled"}
    assert followed(visitor.http, step) == said
    gate.open.set()
    assert "mine" not in visitor.http.get("/data-sets").text


def test_the_page_of_data_sets_lists_the_imports_that_run_or_have_failed(visitor, person, gate):
    form = {"token": token(visitor.http), "name": "<b>mine"}

    def upload(content: bytes, **changes: str):
        files = {"file": ("x", content)}
        return visitor.http.post("/ui/datasets", data=form | changes, files=files, headers=ASYNC)

    def pages() -> list[str]:
        return [visitor.http.get(path).text for path in ("/data-sets", "/ui/data-sets?cursor=")]

    assert not any("<th>Import</th>" in page for page in pages())
    step = upload(npz()).headers["location"]
    gate.wait_for_entry()
    for page in pages():
        assert "&lt;b&gt;mine" in page
        assert "reading the file" in page
        assert f'action="{step}/cancel"' in page
        assert "<b>" not in page
    other = person()
    assert enter(other.http, other.key).status_code == 303
    assert "mine" not in other.http.get("/data-sets").text

    gate.open.set()
    followed(visitor.http, step)
    followed(visitor.http, upload(b"none", name="wrong").headers["location"])
    for page in pages():
        assert page.count("&lt;b&gt;mine") >= 1  # stored
        assert "of no known format; expected one of those that this page lists" in page
        assert "/cancel" not in page
    followed(visitor.http, upload(npz(), name="wrong").headers["location"])
    assert not any("<th>Import</th>" in page for page in pages())


def followed(http: httpx.Client, step: str) -> dict[str, str]:
    """The end of an import, as the script of the page waits for it."""
    deadline = time.monotonic() + 20
    while "step" in (found := http.get(step).json()):
        assert time.monotonic() < deadline
    return found


def test_an_upload_leads_to_the_page_that_says_how_it_was_understood(visitor):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(240, dtype=np.uint8).reshape(20, 6, 2), y=np.arange(20) % 2)
    form = {"token": token(visitor.http), "name": "mine", "layout": "NLC"}

    def upload(**changes: str):
        return visitor.http.post(
            "/ui/datasets", data=form | changes, files={"file": ("x", buffer.getvalue())}
        )

    page = visitor.http.get(upload().headers["location"]).text
    assert "20 signals of 6 steps and 2 channels (axes NLC: as given)" in page
    assert "version 1" in page
    doubtful = visitor.http.get(upload(layout="NHW").headers["location"]).text
    assert "version 2" in doubtful
    chosen = re.findall(r'href="(/submit\?dataset=[^"]+)', doubtful)[0]
    assert re.search(r"selected>mine, version 2<", visitor.http.get(chosen).text)
    for wrong in ({"image_side": "0"}, {"image_side": "many"}, {"layout": "NHWC"}):
        refused = upload(**wrong)
        assert refused.status_code == 422
        assert f'id="{next(iter(wrong))}-error" role="alert"' in refused.text
        assert 'value="mine"' in refused.text


def test_a_table_is_uploaded_and_its_page_lists_its_columns(visitor):
    rows = "".join(f"{k * 7 % 31},{'ab'[k % 2]},{k},{k % 3}\n" for k in range(40))
    form = {"token": token(visitor.http), "name": "mine", "target": "kind"}

    def upload(**changes: str):
        files = {"file": ("x", f"<b>age,kind,row,code\n{rows}".encode())}
        return visitor.http.post("/ui/datasets", data=form | changes, files=files)

    refused = upload(target="<i>")
    assert (refused.status_code, 'value="&lt;i&gt;"' in refused.text) == (422, True)
    assert 'id="target-error"' in refused.text
    page = visitor.http.get(upload().headers["location"]).text
    assert '<td class="lead">&lt;b&gt;age</td><td data-label="Taken as">number</td>' in page
    assert '<td class="lead">kind</td><td data-label="Taken as">target</td>' in page
    refused = upload(name="late", time="<b>when", split_seed="4")
    assert (refused.status_code, 'value="&lt;b&gt;when"' in refused.text) == (422, True)
    assert 'id="time-error"' in refused.text
    refused = upload(name="merged", target="row", merge_labels="yes")
    assert 'id="merge_labels-error"' in refused.text
    assert re.search(r'name="merge_labels" value="yes" checked', refused.text)
    assert upload(name="merged", merge_labels="yes").status_code == 303
    refused = upload(name="codes", category="row, <b>")
    assert 'id="category-error"' in refused.text
    assert 'value="row, &lt;b&gt;"' in refused.text
    codes = visitor.http.get(upload(name="codes", category=" code ,").headers["location"]).text
    assert '<td class="lead">code</td><td data-label="Taken as">category</td>' in codes
    refused = upload(name="fewer", leave_out="row, <b>")
    assert 'id="leave_out-error"' in refused.text
    assert 'value="row, &lt;b&gt;"' in refused.text
    fewer = visitor.http.get(upload(name="fewer", leave_out="code ,row").headers["location"]).text
    for one in ("code", "row"):
        assert f'<td class="lead">{one}</td><td data-label="Taken as">left out</td>' in fewer
    assert fewer.count("as requested") == 2
    many = ",".join(f"label{k}" for k in range(60))  # more than the 200 characters of other fields
    refused = upload(name="many", target=many)
    assert (refused.status_code, f'value="{many}"' in refused.text) == (422, True)
    late = visitor.http.get(upload(name="late", time="row").headers["location"]).text
    assert "to test on (the latest fifth by column &#39;row&#39;, from 32 on)" in late
    numbers = upload(name="other", target="<b>age", task="regression").headers["location"]
    page = visitor.http.get(numbers).text
    assert '<td class="lead">&lt;b&gt;age</td><td data-label="Taken as">target</td>' in page
    assert "Numbers to predict" in page
    assert '<td class="lead">&lt;b&gt;age</td><td class="n" data-label="Least">0</td>' in page
    for label, value in (("Mean", "14.82"), ("Greatest", "30"), ("Standard deviation", "8.97")):
        assert f'<td class="n" data-label="{label}">{value}</td>' in page
    assert "Examples of each class" not in page


def test_the_upload_page_says_beforehand_what_data_may_be(visitor):
    page = visitor.http.get("/data-sets").text
    assert "at most 1 MiB" in page
    assert "a folder of PNG, JPEG, WebP or BMP images for each class" in page
    assert "the channels are the axis of at most 4 values" in page


def test_the_networks_of_the_export_may_be_chosen(visitor, world):
    sent = {"token": token(visitor.http)} | FORM
    answer = visitor.http.post("/searches", data=sent | {"ensemble": "3"})
    made = world.get_search(answer.headers["location"].rpartition("/")[2])
    assert made.config["training"]["ensemble"] == 3
    for wrong in ("9", "many"):
        page = visitor.http.post("/searches", data=sent | {"ensemble": wrong})
        assert page.status_code == 422
        assert 'id="ensemble-error"' in page.text
        assert f'name="ensemble" inputmode="numeric" value="{wrong}"' in page.text


def test_a_cost_may_be_chosen_for_a_new_search(visitor, world):
    sent = {"token": token(visitor.http)} | FORM
    answer = visitor.http.post("/searches", data=sent | {"cost": "latency"})
    assert answer.status_code == 303
    made = world.get_search(answer.headers["location"].rpartition("/")[2])
    assert made.config["cost"] == "latency"
    wrong = visitor.http.post("/searches", data=sent | {"cost": "carbon"})
    assert wrong.status_code == 422
    assert "&#39;parameters&#39;, &#39;flops&#39;" in wrong.text


def test_a_new_search_has_the_chosen_priority_of_those_that_its_owner_may_set(visitor, world):
    sent = {"token": token(visitor.http)} | FORM
    page = visitor.http.get("/submit").text
    assert '<option value="normal" selected>' in page
    assert 'value="high"' not in page
    answer = visitor.http.post("/searches", data=sent | {"priority": "low"})
    assert world.get_search(answer.headers["location"].rpartition("/")[2]).priority == "low"
    high = visitor.http.post("/searches", data=sent | {"priority": "high"})
    wrong = visitor.http.post("/searches", data=sent | {"priority": "first"})
    for refused, words in ((high, "only an admin may set"), (wrong, "expected &#39;low&#39;")):
        assert refused.status_code == 422
        assert 'id="priority-error"' in refused.text
        assert words in refused.text


def test_a_name_that_the_database_cannot_store_is_refused_beside_its_field(visitor):
    for field, message in (("dataset", "must not contain NUL"), ("name", "control")):
        answer = visitor.http.post(
            "/searches", data=FORM | {"token": token(visitor.http), field: "a\0b"}
        )
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
        assert message in answer.text


def test_a_search_is_extended_and_named_on_its_page(visitor, world):
    search_id = world.search(visitor.caller, budget=Budget(trials=4, seconds=600), parallelism=2)
    world.set(Search, search_id, name="<i>old</i>")
    form = {"token": token(visitor.http)}

    def send(action: str, **fields: str):
        return visitor.http.post(f"/searches/{search_id}/{action}", data=form | fields)

    shown = {"trials": "4", "minutes": "10", "parallelism": "2"}
    for changes, field, message in (
        ({"trials": "3"}, "trials", "3 is below the present limit of 4"),
        ({"trials": "few"}, "trials", "expected a whole number"),
        ({"minutes": "2"}, "minutes", "expected the new limit in full, at least 10"),
        ({"minutes": "soon"}, "minutes", "expected minutes from 0.17 to 43,200"),
        ({"parallelism": "0"}, "parallelism", "expected at least 1"),
    ):
        refused = send("extend", **shown | changes)
        assert refused.status_code == 422
        ((name, words),) = re.findall(r'id="([a-z]+)-error"[^>]*>([^<]*)<', refused.text)
        assert (name, message in words) == (field, True), words
        assert "&lt;i&gt;old" in refused.text
    assert send("extend", **shown | {"trials": "9", "parallelism": "3"}).status_code == 303
    search = world.get_search(search_id)
    assert (search.trial_limit, search.parallelism) == (9, 3)
    assert search.config["budget"] == {"trials": 9, "seconds": 600}
    assert send("extend", priority="low").status_code == 303
    assert world.get_search(search_id).priority == "low"
    wrong = send("extend", priority="first")
    assert wrong.status_code == 422
    assert "expected &#39;low&#39;, &#39;normal&#39; or &#39;high&#39;" in wrong.text
    assert "low priority" in visitor.http.get(f"/searches/{search_id}").text

    note = "line one\r\nline <two>"
    for wrong in ({"name": " ", "tags": "a"}, {"name": "new", "tags": "a,\u202e"}):
        assert send("edit", note=note, **wrong).status_code == 422
    assert send("edit", name="new", tags=" b, a ,, b", note=note).status_code == 303
    search = world.get_search(search_id)
    assert (search.name, search.tags) == ("new", ["a", "b"])
    assert search.note == "line one\nline <two>"
    page = visitor.http.get(f"/searches/{search_id}").text
    assert "line &lt;two&gt;" in page
    assert visitor.http.get(f"/searches/{search_id}/extend").headers["location"].endswith("manage")


def test_a_network_of_ones_own_is_enqueued_from_text_or_a_file(visitor, world):
    search_id = world.search(visitor.caller)
    small = roots(world.dataset_spec(), Bounds())[0].to_json()
    large = roots(world.dataset_spec(), Bounds(parameters=3000))[0].to_json()
    form = {"token": token(visitor.http), "network": "mine"}

    def send(text: str = "", file: str = "", weights: bytes = b""):
        files = {"file": ("a.json", file.encode()), "weights": ("w.safetensors", weights)}
        data = form | {"architecture": text}
        return visitor.http.post(f"/ui/searches/{search_id}/enqueued", data=data, files=files)

    for answer, message in (
        (send(), "either as text or as a file"),
        (send(json.dumps(small), json.dumps(small)), "either as text or as a file"),
        (send('{"version": 1,\n nodes}'), "line 2, column 2 is no JSON"),
        (send(file="[" * 100_000), "nested too deeply"),
        (send('{"version": NaN}'), "has the number NaN"),
        (send('{"version": 1}'), "exactly &#39;version&#39; and &#39;nodes&#39;"),
        (send(json.dumps(small), weights=b"none"), "weights: "),
    ):
        assert answer.status_code == 422
        assert message in answer.text
    assert send(json.dumps({"id": "of a trial", "architecture": small})).status_code == 303
    assert send(file=json.dumps(large)).status_code == 303
    page = visitor.http.get(f"/searches/{search_id}?tab=manage").text
    assert page.count("mine waits until a trial may start") == 2
    (first, _) = re.findall(r'name="network_id" value="([^"]*)"', page)
    sent = {"token": form["token"], "network_id": first}
    assert visitor.http.post(f"/searches/{search_id}/withdraw", data=sent).status_code == 303
    page = visitor.http.get(f"/searches/{search_id}?tab=manage").text
    assert page.count("mine waits until a trial may start") == 1


def test_a_clone_keeps_settings_that_the_form_does_not_show(visitor, person, world):
    training = Training(patience=7, ensemble=2)
    search_id = world.search(visitor.caller, strategy="random", training=training, seed=3)
    page = visitor.http.get(f"/submit?like={search_id}").text
    assert f"netmorph clone {search_id}</pre>" in page
    form = fields_in(page, "/searches")
    assert form["dataset"] == str(world.get_search(search_id).dataset_id)
    asked = form | {"seed": "4", "name": "it's"}
    shown = visitor.http.get("/ui/submit/commands", params=asked).text
    assert "--seed 4" in shown
    assert "&#34;patience&#34;: 7" in shown
    assert "curl http://127.0.0.1" in shown
    asked |= {"token": token(visitor.http), "ensemble": ""}
    made = visitor.http.post("/searches", data=asked).headers["location"]
    config = world.get_search(made.rpartition("/")[2]).config
    assert (config["strategy"], config["seed"], config["parallelism"]) == ("random", 4, 50)
    world.set(Search, search_id, name="pets")
    page = visitor.http.get(f"/submit?like={search_id}").text
    assert 'placeholder="pets (2)"' in page
    assert f"&#34;name_after&#34;: &#34;{search_id}&#34;" in page
    made = visitor.http.post("/searches", data=asked | {"name": ""}).headers["location"]
    assert world.get_search(made.rpartition("/")[2]).name == "pets (2)"
    assert config["training"]["patience"] == 7
    assert config["training"].get("ensemble") is None
    builtin = world.dataset(visitor.caller, builtin=True)
    kept = world.search(visitor.caller, dataset_id=builtin)
    page = visitor.http.get(f"/submit?like={kept}").text
    assert re.findall(r'<option value="([^"]*)" selected>', page)[0] == str(builtin)
    theirs = world.search(person().caller)
    for path in (f"/submit?like={theirs}", f"/searches/{theirs}/report"):
        assert visitor.http.get(path).status_code == 404
    other = visitor.http.get("/ui/submit/commands", params={"epochs": "3", "trials": "5"}).text
    assert "no option for one of these settings" in other


def test_the_report_of_a_search_is_one_file(visitor, world):
    search_id = world.search(visitor.caller, cost="flops")
    world.set(Search, search_id, name="<script>alert(1)</script>")
    world.trial(search_id, value=0.75)
    answer = visitor.http.get(f"/searches/{search_id}/report")
    assert 'attachment; filename="script-alert-1-script-' in answer.headers["content-disposition"]
    assert "&lt;script&gt;alert" in answer.text
    assert "<script" not in answer.text
    assert answer.text.count("<svg") == 2
    assert "75.00 %" in answer.text


def test_a_data_set_of_images_shows_examples_of_each_class(visitor, person):
    buffer = io.BytesIO()
    labels = np.arange(40) % 2
    pictures = np.where(labels[:, None, None], 255, 0) * np.ones((40, 6, 3), int)
    np.savez(buffer, x=pictures.astype(np.uint8), y=labels)
    form = {"token": token(visitor.http), "name": "mine"}
    files = {"file": ("x", buffer.getvalue())}
    made = visitor.http.post("/ui/datasets", data=form, files=files).headers["location"]
    page = visitor.http.get(made).text
    shown = re.findall(r'<img src="([^"]*)"', page)
    assert len(shown) == 2
    assert "50.0 %" in page
    for address, level in zip(shown, (0, 255), strict=True):
        answer = visitor.http.get(address)
        assert answer.headers["content-type"] == "image/png"
        picture = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert picture.shape == (44, 8 * 22 + 7 * 4, 4)
        assert set(picture[picture[:, :, 3] > 0][:, :3].ravel()) == {level}
    assert visitor.http.get(shown[0].replace("/0.png", "/2.png")).status_code == 404
    assert visitor.http.get(shown[0].replace("/0.png", "/-1.png")).status_code == 404
    other = person().http
    assert other.get(shown[0]).status_code in (303, 401)
    assert enter(other, person().key).status_code == 303
    assert other.get(shown[0]).status_code == 404
