"""The page: a Gradio app that shows decoding step by step."""
