"""What each template is given: frozen values, ready to print. No template asks the database.

`parts.Html` marks text drawn by `rollout.pages.charts`; templates escape everything else.
`status` is a word of the glyph set: pass, fail, inc, col, none, stale, hold, over, go, err.
"""
