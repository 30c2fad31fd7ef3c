"""One queue, one worker: requests go in frozen, events come out."""
