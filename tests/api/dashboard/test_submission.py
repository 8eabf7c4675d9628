"""The form of a new search has what the command has, and both stay in step."""

import html
import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor

import pytest
import typer
from typer.testing import CliRunner

from api.dashboard.search_commands import search_command
from api.dashboard.search_form import DEFAULTS, PATHS
from api.models.searches import Search
from core.protocol.contracts.training import Training
from netmorph.cli import app
from netmorph.commands.search import search as command
from tests.api.visitors import fields_in, token
from tests.waiting import wait_for

#: Options of the command that are no settings of a search on stored data: where each belongs.
ELSEWHERE = {
    "the page of data sets": {
        "--target", "--text", "--category", "--leave-out", "--layout", "--image-side", "--task",
        "--group", "--time", "--merge-labels",
    },
    "the upload, which has the files in one archive": {"--validation", "--test"},
    "the conversion of an ONNX file, before its network is uploaded": {
        "--root-scale", "--root-mean", "--root-std",
    },
    "the command itself": {"--workers", "--export", "--url", "--key", "--data-dir", "--json"},
    "the button Preview": {"--dry-run"},
}  # fmt: skip
NOWHERE = "00000000-0000-4000-8000-000000000000"
FORM = DEFAULTS | {"dataset": "digits", "trials": "3", "parallelism": "2", "seed": "7"}


def options_of_the_command() -> set[str]:
    made = typer.Typer(add_completion=False)
    made.command()(command)
    parameters = typer.main.get_command(made).params
    return {name for one in parameters for name in one.opts if name.startswith("--")} - {"--help"}


def everything(world, visitor) -> dict[str, str]:
    """A value for each field that the command has an option for."""
    return FORM | {
        "minutes": "2.5", "root": str(world.network(visitor.caller)), "keep_accuracy": "yes",
        "strategy": "evolution", "options": "population=9, tournament=3", "metric": "macro-f1",
        "cost": "latency", "name": "it's all", "parameters": "90000", "flops": "800000",
        "latency": "1.5", "class_weights": "balanced", "split_seed": "5", "augmentation": "plain",
        "int8": "yes", "ensemble": "1", "morphisms": "widen, narrow",
        "without_layers": "silu,gelu", "priority": "low",
    }  # fmt: skip


def shown_commands(visitor, fields: dict[str, str]) -> list[str]:
    """The command and the request beside the form."""
    page = visitor.http.get("/ui/submit/commands", params=fields).text
    return [html.unescape(one) for one in re.findall(r"<pre [^>]*>(.*?)</pre>", page, re.DOTALL)]


def test_the_form_lacks_no_option_of_the_command(visitor, world):
    fields = dict.fromkeys(PATHS, "") | everything(world, visitor)
    shown = shlex.split((search_command(fields) or "").replace("\\\n", " "))
    known = {word for word in shown if word.startswith("--")}
    elsewhere = set().union(*ELSEWHERE.values())
    assert options_of_the_command() - elsewhere == known
    page = visitor.http.get("/submit").text
    assert set(PATHS) <= set(fields_in(page, "/searches")) | set(re.findall(r'name="(\w+)"', page))


def test_the_form_the_command_and_the_request_make_the_same_search(
    visitor, world, tmp_path, monkeypatch
):
    fields = everything(world, visitor)
    line, curl = shown_commands(visitor, fields)

    made = visitor.http.post("/searches", data=fields | {"token": token(visitor.http)})
    assert made.status_code == 303, made.text
    search = world.get_search(made.headers["location"].rpartition("/")[2])
    assert search.priority == "low"
    config = search.config
    assert config["strategy_options"] == {"population": 9, "tournament": 3}
    training = config["training"]
    assert [training[name] for name in ("augmentation", "erasing", "mixing")] == ["none", 0, 0]
    assert (config["keep_accuracy"], config["int8"]) == (True, True)
    assert config["bounds"]["morphisms"] == ["widen", "narrow"]
    assert config["bounds"]["without_layers"] == ["silu", "gelu"]

    bearer = {"Authorization": f"Bearer {visitor.key}"}
    body = json.loads(shlex.split(curl)[-1])
    sent = visitor.http.post("/v1/searches", json=body, headers=bearer)
    assert sent.status_code == 201, sent.text
    same = world.get_search(sent.json()["id"])
    assert (same.config, same.priority) == (config, "low")

    monkeypatch.chdir(tmp_path)
    same = world.get_search(typed(line, visitor, bearer))
    assert (same.config, same.priority) == (config, "low")


def typed(line: str, visitor, bearer: dict[str, str]) -> str:
    """Run a command that creates a search; there are no workers, so stop it. Return its id."""
    words = shlex.split(line.replace("\\\n", " "))
    assert words[:2] == ["netmorph", "search"]
    there = {one["id"] for one in listed(visitor, bearer)}

    def stop() -> str:
        (new,) = wait_for(
            lambda: [one for one in listed(visitor, bearer) if one["id"] not in there]
        )
        visitor.http.post(f"/v1/searches/{new['id']}:stop", headers=bearer).raise_for_status()
        return new["id"]

    url = str(visitor.http.base_url)
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop)
        ended = CliRunner().invoke(app, [*words[1:], "--url", url, "--key", visitor.key])
        assert ended.exit_code == 1, ended.output  # it has no network
        return stopped.result()


def listed(visitor, bearer: dict[str, str]) -> list[dict[str, str]]:
    return visitor.http.get("/v1/searches", headers=bearer).json()["items"]


WRONG = (
    ({"keep_accuracy": "yes"}, "keep_accuracy", "choose a network to start from"),
    ({"root": "mine"}, "root", "expected a valid UUID"),
    ({"root": NOWHERE}, "root", f"there is no network {NOWHERE}; choose one of the list"),
    ({"options": "population"}, "options", "expected NAME=VALUE"),
    ({"options": "luck=1"}, "options", "has no option &#39;luck&#39;"),
    ({"options": "population=few"}, "options", "expected int"),
    ({"options": "tournament=50"}, "options", "expected 1 &lt;= tournament"),
    ({"morphisms": "widen,grow"}, "morphisms", "unknown morphism &#39;grow&#39;; known are"),
    ({"without_layers": "swish"}, "without_layers", "unknown layer &#39;swish&#39;"),
    ({"split_seed": "-1"}, "split_seed", "Seed of the validation split: expected at least 0"),
)


@pytest.mark.parametrize(("changes", "field", "message"), WRONG)
def test_a_wrong_setting_is_marked_and_nothing_is_lost(visitor, changes, field, message):
    fields = FORM | {"strategy": "evolution", "int8": "yes", "augmentation": "plain"} | changes
    answer = visitor.http.post("/searches", data=fields | {"token": token(visitor.http)})
    assert answer.status_code == 422
    errors = re.findall(r'<span class="error" id="(\w+)-error"[^>]*>([^<]*)<', answer.text)
    assert [name for name, _ in errors] == [field]
    assert message in errors[0][1]
    again = fields_in(answer.text, "/searches")
    assert {name: again.get(name, "") for name in fields} == fields


def test_a_network_whose_accuracy_is_kept_is_one_network(visitor, world):
    root = str(world.network(visitor.caller))
    fields = FORM | {"root": root, "keep_accuracy": "yes", "ensemble": "3"}
    answer = visitor.http.post("/searches", data=fields | {"token": token(visitor.http)})
    assert "the number of networks in the exported model is 3; expected 1" in answer.text


def test_the_form_lists_ones_own_networks_alone(visitor, person, world):
    own, theirs = world.network(visitor.caller), world.network(person().caller)
    page = visitor.http.get("/submit").text
    assert f'<option value="{own}">' in page
    assert str(theirs) not in page
    sent = FORM | {"token": token(visitor.http), "root": str(theirs)}
    refused = visitor.http.post("/searches", data=sent)
    assert (refused.status_code, "choose one of the list" in refused.text) == (422, True)


def test_a_clone_starts_with_the_boxes_and_choices_of_its_search(visitor, world):
    training = Training(augmentation="none", erasing=0, mixing=0)
    root = world.network(visitor.caller)
    like = world.search(
        visitor.caller, training=training, root=root, keep_accuracy=True, cost="parameters",
        int8=True, strategy="evolution", strategy_options={"population": 9},
    )  # fmt: skip
    fields = fields_in(visitor.http.get(f"/submit?like={like}").text, "/searches")
    assert (fields["root"], fields["keep_accuracy"], fields["int8"]) == (str(root), "yes", "yes")
    assert (fields["augmentation"], fields["options"]) == ("plain", "population=9")
    sent = {k: v for k, v in fields.items() if k != "int8"} | {"augmentation": "auto"}
    made = visitor.http.post("/searches", data=sent | {"token": token(visitor.http)})
    config = world.get_search(made.headers["location"].rpartition("/")[2]).config
    assert "int8" not in config
    assert {"erasing", "mixing"}.isdisjoint(config["training"])


@pytest.mark.parametrize(("priority", "kept"), [("low", "low"), ("high", "normal")])
def test_a_clone_keeps_a_low_priority_and_no_high_one(visitor, world, priority, kept):
    like = world.search(visitor.caller)
    world.set(Search, like, priority=priority)
    page = visitor.http.get(f"/submit?like={like}").text
    assert f"netmorph clone {like}</pre>" in page
    fields = fields_in(page, "/searches")
    assert fields["priority"] == kept
    other = {"low": "normal", "normal": "low"}[kept]
    shown = visitor.http.get("/ui/submit/commands", params=fields | {"priority": other}).text
    assert f"--priority {other}" in shown


def test_a_preview_says_what_the_search_would_be_and_makes_none(visitor, world):
    fields = FORM | {"name": "kept", "int8": "yes", "action": "preview"}
    page = visitor.http.post("/searches", data=fields | {"token": token(visitor.http)})
    assert page.status_code == 200
    assert "What this search would be" in page.text
    assert "No worker takes trials" in page.text
    shown = fields_in(page.text, "/searches")
    assert (shown["name"], shown["int8"]) == ("kept", "yes")
    bearer = {"Authorization": f"Bearer {visitor.key}"}
    assert listed(visitor, bearer) == []
