"""The forms of the dashboard: what they change, and how wrong ones are refused."""

import io
import re

import numpy as np
from sqlalchemy import text

from tests.api.visitors import token

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
    ("trials", "many", "Trials: expected a valid integer"),
    ("trials", "", "give a number of trials, or minutes, or both"),
    ("minutes", "0.01", "expected minutes from 0.17 to 43,200"),
    ("minutes", "soon", "expected minutes from 0.17 to 43,200"),
    ("parallelism", "0", "Trials at once: expected a number greater than or equal to 1"),
    ("seed", "-1", "Seed: expected a number greater than or equal to 0"),
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
    chosen = re.findall(r'href="(/\?dataset=[^"#]+)', doubtful)[0]
    assert re.search(r"selected>mine, version 2<", visitor.http.get(chosen).text)
    for wrong in ({"image_side": "0"}, {"image_side": "many"}, {"layout": "NHWC"}):
        refused = upload(**wrong)
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text
        assert 'value="mine"' in refused.text


def test_a_table_is_uploaded_and_its_page_lists_its_columns(visitor):
    rows = "".join(f"{k * 7 % 31},{'ab'[k % 2]},{k}\n" for k in range(40))
    form = {"token": token(visitor.http), "name": "mine", "target": "kind"}

    def upload(**changes: str):
        files = {"file": ("x", f"<b>age,kind,row\n{rows}".encode())}
        return visitor.http.post("/ui/datasets", data=form | changes, files=files)

    refused = upload(target="<i>")
    assert (refused.status_code, 'value="&lt;i&gt;"' in refused.text) == (422, True)
    page = visitor.http.get(upload().headers["location"]).text
    assert "<td>&lt;b&gt;age</td><td>number</td>" in page
    assert "<td>kind</td><td>target</td>" in page
    refused = upload(name="late", time="<b>when", split_seed="4")
    assert (refused.status_code, 'value="&lt;b&gt;when"' in refused.text) == (422, True)
    late = visitor.http.get(upload(name="late", time="row").headers["location"]).text
    assert "to test on (the latest fifth by column &#39;row&#39;, from 32 on)" in late
    numbers = upload(name="other", target="<b>age", task="regression").headers["location"]
    page = visitor.http.get(numbers).text
    assert "<td>&lt;b&gt;age</td><td>target</td>" in page
    assert "Numbers to predict" in page
    assert '<td>&lt;b&gt;age</td><td class="n">0</td>' in page
    assert "Examples of each class" not in page


def test_the_upload_page_says_beforehand_what_data_may_be(visitor):
    page = visitor.http.get("/data-sets").text
    assert "at most 1.0 MiB" in page
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


def test_a_name_that_the_database_cannot_store_is_refused_beside_its_field(visitor):
    for field, message in (("dataset", "must not contain NUL"), ("name", "control")):
        answer = visitor.http.post(
            "/searches", data=FORM | {"token": token(visitor.http), field: "a\0b"}
        )
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
        assert message in answer.text
