# SPDX-License-Identifier: Apache-2.0
"""A blog whose pages are made on the server: FastAPI, Jinja2, and SQLite in the session's files.

    vivarium app boot examples/apps/blog.py --name blog --host blog
    # http://blog.apps.localhost:7717/
"""

import sqlite3
from urllib.parse import parse_qs

import jinja2
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

PAGES = {
    "page": """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{% block title %}Blog{% endblock %}</title></head>
<body><h1><a href="{{ base }}/">Blog</a></h1>{% block body %}{% endblock %}</body></html>""",
    "index": """{% extends "page" %}{% block body %}
<ul id="posts">{% for post in posts %}<li><a href="{{ base }}/posts/{{ post.id }}">{{ post.title }}</a></li>{% else %}
<li>Nothing yet.</li>{% endfor %}</ul>
<form method="post" action="{{ base }}/posts">
<input name="title" required> <textarea name="text"></textarea> <button>Post</button></form>{% endblock %}""",
    "post": """{% extends "page" %}{% block title %}{{ post.title }}{% endblock %}{% block body %}
<article><h2>{{ post.title }}</h2><p>{{ post.text }}</p></article>{% endblock %}""",
}
pages = jinja2.Environment(loader=jinja2.DictLoader(PAGES), autoescape=True)
app = FastAPI()
db = sqlite3.connect("blog.db")
db.row_factory = sqlite3.Row
db.execute("CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL)")


def page(request: Request, name: str, **what):
    return HTMLResponse(pages.get_template(name).render(base=request.scope["root_path"], **what))


@app.get("/")
async def index(request: Request):
    return page(request, "index", posts=db.execute("SELECT id, title FROM posts ORDER BY id DESC").fetchall())


@app.get("/posts/{id}")
async def show(request: Request, id: int):
    post = db.execute("SELECT * FROM posts WHERE id = ?", (id,)).fetchone()
    if post is None:
        raise HTTPException(404, "there is no such post")
    return page(request, "post", post=post)


@app.post("/posts")
async def add(request: Request):
    form = parse_qs((await request.body()).decode())
    title = form.get("title", [""])[0].strip()
    if not title:
        raise HTTPException(422, "a post has a title")
    made = db.execute("INSERT INTO posts (title, text) VALUES (?, ?)", (title, form.get("text", [""])[0]))
    db.commit()
    return RedirectResponse(f"{request.scope['root_path']}/posts/{made.lastrowid}", status_code=303)
