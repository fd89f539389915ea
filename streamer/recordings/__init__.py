"""Recording a stream, and the folder of recordings."""
