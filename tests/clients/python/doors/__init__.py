"""One set of queries, asked through one door of the server, with what came back in a form that is the same for all."""
