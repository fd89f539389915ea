"""How frames move: cameras, files and peers in; annotated video, results and recordings out."""
