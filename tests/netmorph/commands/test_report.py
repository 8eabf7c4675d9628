"""The report of a search is written by a command, run against a real service."""

from tests.netmorph.commands.conftest import refused


def test_a_report_is_written_to_a_file(ask, search, tmp_path) -> None:
    file = tmp_path / "report.html"
    told = ask("report", search["id"], "--output", file)
    assert told == {"search_id": search["id"], "report": str(file)}
    text = file.read_text("utf-8")
    for words in ("<h1>a test, of names</h1>", "digits", "1 × 8 × 8", f"clone {search['id']}"):
        assert words in text
    assert "&#34;trials&#34;: 2" in text  # of the request that repeats the search


def test_a_report_goes_into_the_folder_of_the_user_under_a_plain_name(
    netmorph, service, search, tmp_path
) -> None:
    ended = netmorph("report", search["id"], "--data-dir", service.directory, cwd=tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name == f"a-test-of-names-{search['id'][:8]}.html"
    assert ended.stdout == f"report written to {file.name}\n"


def test_a_file_that_cannot_be_written_is_named(netmorph, service, search, tmp_path) -> None:
    missing = tmp_path / "none" / "x.html"
    ended = netmorph("report", search["id"], "-o", missing, "--data-dir", service.directory)
    assert f"{missing} cannot be written: No such file or directory; give" in refused(ended)
