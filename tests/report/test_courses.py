"""The page of a course has its questions in order, with the runs, pictures and answers that the results hold."""

import re
from pathlib import Path

import pytest
import yaml

from thirtytwo.cli.main import main
from thirtytwo.report.courses import _PARTS, COURSES, sections
from thirtytwo.report.questions import QUESTIONS
from thirtytwo.report.reading import load
from thirtytwo.runtime.project import Project

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("course", COURSES)
def test_a_course_names_runs_questions_and_parts_that_exist(course):
    paper = yaml.safe_load((ROOT / "scales/paper.yaml").read_text(encoding="utf-8"))
    texts = {question.text for question in QUESTIONS}
    for item in COURSES[course].items:
        assert set(item.runs) <= paper["runs"].keys()
        assert set(item.questions) <= texts
        assert set(item.parts) <= _PARTS.keys()


def test_every_question_of_a_course_is_on_its_page():
    courses = {course.title: {text for item in course.items for text in item.questions} for course in COURSES.values()}
    for question in QUESTIONS:
        for source in set(question.sources) & courses.keys():
            assert question.text in courses[source], source


def test_questions_are_in_order_with_answers_pictures_and_what_is_missing(full, tmp_path):
    found = sections(load(Project(full[0])), "cmu", tmp_path)
    assert [section.title for section in found[-2:]] == ["Published numbers", "Methods"]
    numbers = [section.title.split(":")[0] for section in found[:-2]]
    assert numbers == [item.number for item in COURSES["cmu"].items]
    betas = found[numbers.index("2.3.1")]
    texts = [block.text for block in betas.blocks if hasattr(block, "text")]
    assert any("`vae_beta12`" in text for text in texts)  # missing here
    assert any(text.startswith("`vae`, `vae_beta08` on data set shapes") for text in texts)
    assert any("distortion" in text or "reconstruction" in text for text in texts)
    shown = [picture for block in betas.blocks for picture in getattr(block, "pictures", ())]
    assert shown
    assert all((tmp_path / picture.file).is_file() for picture in shown)
    assert not any("wgan_gp" in picture.caption for picture in shown)


def test_the_command_writes_one_page_that_loads_nothing(full, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Project, "containing", lambda _: Project(full[0]))
    assert main(["report", "--course", "cmput328", "--out", str(tmp_path / "a.pdf")]) == 1
    assert "--out" in capsys.readouterr().err
    assert main(["report", "--course", "cmput328", "--out", str(tmp_path / "a.html")]) == 0
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h1>CMPUT 328 A5, question by question</h1>" in html
    titles = re.findall(r"<h2>([^<]*)</h2>", html)
    assert titles[: len(COURSES["cmput328"].items)] == [f"{i.number}: {i.asked}" for i in COURSES["cmput328"].items]
    assert not re.search(r'src="(?!data:)', html)


def test_the_command_knows_every_course(capsys):
    with pytest.raises(SystemExit):
        main(["report", "--course", "none"])
    message = capsys.readouterr().err
    assert all(f"'{course}'" in message or course in message for course in COURSES)
