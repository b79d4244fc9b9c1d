"""Tables, figures and the page that a person reads; works from run folders alone."""
