"""`tacit serve`: an OpenAI-compatible API and a page, on this machine alone.

`guard` stands before every request, `token` is what a front end must show, `running` gives the model to one reply after
the other, `openai_api` are the API's routes, `app` puts them together and runs them.
"""
