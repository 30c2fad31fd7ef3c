"""The web page: Gradio builds it, small JavaScript modules keep it alive while a job runs."""
