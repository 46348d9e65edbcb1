"""An app that registers nothing: runners that load it serve what the test itself has decorated."""
