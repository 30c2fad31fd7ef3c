"""Ways of running a job: `local` is a thread of this process."""
