"""Pages of ours in a real browser."""

from __future__ import annotations

import contextlib

from support.processes import GUARD


@contextlib.contextmanager
def watched_pages(chromium):
    """A function that opens an HTML file; at the end no error, no request and no dialogue may have come.

    It takes the file, beginnings of other addresses that it may ask for, kinds of console messages that may come,
    and what Playwright's ``new_page`` takes.
    """
    opened = []

    def visit(path, *, may_ask=(), may_say=(), **context):
        page = chromium.new_page(**context)
        page.set_default_timeout(GUARD * 1000)
        problems = []

        def console(message):
            if message.type not in may_say:
                problems.append(message.text)

        def request(asked):
            if asked.url != path.as_uri() and not asked.url.startswith(tuple(may_ask)):
                problems.append(asked.url[:100])

        page.on("console", console)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append("a dialogue"), dialog.dismiss()))
        page.on("request", request)
        page.goto(path.as_uri())
        opened.append((page, problems))
        return page

    yield visit
    for page, problems in opened:
        assert page.evaluate("window.hacked") is None
        page.close()
        assert problems == []
