"""What a chapter hands in, and the page that is made of it: one file, readable without a network."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any


@dataclass
class Picture:
    """A drawn figure and what it says.

    name : of the file, without .png
    axes : matplotlib Axes; their figure is saved
    english, korean : a few plain sentences
    """

    name: str
    axes: Any
    english: str
    korean: str


@dataclass
class Chapter:
    """One part of the demo.

    title, korean : headings
    lines : the report on the terminal
    figures : name -> number, for programs
    pictures : in the order of the page
    samples : (heading, text) set in a fixed-width type
    intro : what was done, (English, Korean)
    """

    title: str
    korean: str
    intro: tuple[str, str]
    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    samples: list[tuple[str, str]] = field(default_factory=list)


STYLE = """
:root { color-scheme: light }
body { font: 17px/1.6 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 44rem;
       color: #1b1b1b; background: #fff; word-break: keep-all; overflow-wrap: break-word }
h1 { font-size: 1.6rem; line-height: 1.25 }
h2 { margin-top: 2.6rem; border-top: 1px solid #ccc; padding-top: 1rem }
h1 span, h2 span { display: block; font-size: .75em; font-weight: normal; color: #555 }
figure { margin: 1.4rem 0 } img { width: 100%; height: auto } p { margin: .5rem 0 }
p[lang=ko] { color: #444 }
ul { padding-left: 1.2rem } footer { margin-top: 3rem; color: #666; font-size: .85rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f5f5f2; padding: .7rem; border-radius: 6px;
      font-size: .8rem; line-height: 1.4 }
"""


def both(english: str, korean: str) -> str:
    """A paragraph in each language."""
    return f'<p>{escape(english)}</p>\n<p lang="ko">{escape(korean)}</p>'


def heading(level: int, english: str, korean: str) -> str:
    return f'<h{level}>{escape(english)}<span lang="ko">{escape(korean)}</span></h{level}>'


def figure(picture: Picture, folder: Path) -> str:
    """The saved picture, its bytes inside the page."""
    data = base64.b64encode((folder / f"{picture.name}.png").read_bytes()).decode()
    return (
        f'<figure><img alt="{escape(picture.english, quote=True)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{both(picture.english, picture.korean)}</figcaption></figure>"
    )


def page(chapters: list[Chapter], folder: Path, footer: str) -> str:
    """The HTML of the whole demo; every picture stands in `folder` already."""
    parts = [
        heading(1, "fastrnn: what it did on this machine", "fastrnn: 이 컴퓨터에서 해 본 것"),
        both(
            "Four small experiments, trained a moment ago on data that came with Python and scikit-learn. "
            "Every number below was measured in this run.",
            "파이썬과 scikit-learn에 들어 있는 자료로 방금 학습한 네 가지 실험입니다. "
            "아래의 모든 숫자는 이번 실행에서 잰 값입니다.",
        ),
    ]
    for number, chapter in enumerate(chapters, 1):
        parts.append(heading(2, f"{number}. {chapter.title}", chapter.korean))
        parts.append(both(*chapter.intro))
        parts.append(f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in chapter.lines)}</ul>")
        parts += [figure(picture, folder) for picture in chapter.pictures]
        parts += [f"<p>{escape(name)}</p>\n<pre>{escape(text)}</pre>" for name, text in chapter.samples]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>fastrnn demo</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n"
        f"<footer>{escape(footer)}</footer>\n</body>\n</html>\n"
    )
