"""datafly.js: the browser SDK. Its source is `src/`, `bundle.py` makes one script of it, `answer.py` hands it out."""
