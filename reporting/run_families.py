"""What Prometheus is told of a run and of the tester itself, beside the catalogue's metrics."""

from __future__ import annotations

from reporting.exposition import RUN_LABELS, SHORT, Family, Kind

COUNTER, GAUGE, HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_OF_WORKER = (*RUN_LABELS, "worker")

RUN_INFO = Family("doubletalk_run_info", GAUGE, "Which run this is; always 1",
                  ("run_id", *RUN_LABELS, "version", "catalog_version", "seed", "frame_ms", "host"))  # fmt: skip
RUN_VALID = Family("doubletalk_run_valid", GAUGE, "1 where the tester is fit to measure, 0 where the run would be invalid if it ended now")
RUN_UNDER_WAY = Family("doubletalk_run_under_way", GAUGE, "1 while the run goes on, 0 once it is over")
RUN_ELAPSED = Family("doubletalk_run_elapsed_seconds", GAUGE, "Since the run's start, at its end at most")
RUN_STARTED = Family("doubletalk_run_started_timestamp_seconds", GAUGE, "When the run started, since 1970")
CRITERION = Family("doubletalk_criterion_holds", GAUGE, "1 where the criterion holds so far; 0 where it does not, or nothing was measured",
                   (*RUN_LABELS, "criterion"))  # fmt: skip
STAGE = Family("doubletalk_stage_under_way", GAUGE, "1 for the stage of the load, or the step of a search, that is under way, 0 for others",
               (*RUN_LABELS, "stage"))  # fmt: skip

TARGET_UP = Family(
    "doubletalk_target_up", GAUGE, "1 where the target answered in the last second, 0 where not; absent where it was not asked in it"
)
TALKERS = Family("doubletalk_talkers", GAUGE, "Talkers that are there now")
TURNS = Family("conversation_turns_total", COUNTER, "Utterances, barge-ins and false alarms that are over, by what came of them",
               (*RUN_LABELS, "kind", "outcome"))  # fmt: skip
INTERRUPTIONS = Family("conversation_interruptions_total", COUNTER, "Barge-ins that are over, whatever came of them")
SESSIONS = Family("doubletalk_sessions_total", COUNTER, "WebSocket sessions that are over, by how they ended", (*RUN_LABELS, "outcome"))
ERRORS = Family("doubletalk_errors_total", COUNTER, "Turns, sessions and token requests that failed, by whose door it is laid at",
                (*RUN_LABELS, "kind"))  # fmt: skip
HTTP_ERRORS = Family("http_errors_total", COUNTER, "Token requests that brought no token")

SEND_LATENESS = Family(
    "doubletalk_send_lateness_seconds", HISTOGRAM, "The tester's own: from a frame due to that frame handed to the kernel", buckets=SHORT
)
LOOP_LAG = Family("doubletalk_loop_lag_seconds", HISTOGRAM, "The tester's own: how late its event loop runs", buckets=SHORT)
CPU = Family("doubletalk_cpu_seconds_total", COUNTER, "CPU that the tester took, of all workers")
MEASURED = Family("doubletalk_measured_seconds_total", COUNTER, "Time in which it took that, of all workers: the quotient is in cores")
FRAMES_DROPPED = Family("doubletalk_frames_dropped_total", COUNTER, "Microphone frames that the tester could not send")
MISSED_STARTS = Family("doubletalk_missed_starts_total", COUNTER, "Calls and token requests that the tester began more than 0.1 s late")
UNSENT = Family("doubletalk_unsent_bytes", GAUGE, "What waits for the kernel to take it")
UNSENT_MAX = Family("doubletalk_unsent_max_bytes", GAUGE, "The most that has waited for the kernel at a time")
WORKERS_LOST = Family("doubletalk_workers_lost_total", COUNTER, "Workers that fell silent for good")
RECORDS_LOST = Family("doubletalk_records_lost_total", COUNTER, "Records that did not reach the run files")
MEMORY = Family("doubletalk_memory_bytes", GAUGE, "Resident memory of the tester, of all workers")
LOCAL_FAULTS = Family("doubletalk_local_faults_total", COUNTER, "Faults of the load tester itself")

WORKERS = Family("doubletalk_workers", GAUGE, "Workers by where they are in the run", (*RUN_LABELS, "state"))
WORKER_TALKERS = Family("doubletalk_worker_talkers", GAUGE, "Talkers that the worker carries", _OF_WORKER)
WORKER_TURNS = Family("doubletalk_worker_turns_total", COUNTER, "Turns of the worker that are over, false alarms left out", _OF_WORKER)
WORKER_CPU = Family("doubletalk_worker_cpu_ratio", GAUGE, "CPU that the worker took in its last second, as a share of a core", _OF_WORKER)
WORKER_LATENESS = Family(
    "doubletalk_worker_send_lateness_p99_seconds", GAUGE, "99th percentile of the worker's send lateness so far", _OF_WORKER
)
WORKER_LAG = Family("doubletalk_worker_loop_lag_p99_seconds", GAUGE, "99th percentile of the worker's loop lag so far", _OF_WORKER)
WORKER_OFFSET = Family("doubletalk_worker_clock_offset_seconds", GAUGE, "The worker's wall clock less the master's", _OF_WORKER)
WORKER_SILENT = Family("doubletalk_worker_silent_seconds", GAUGE, "Since the worker's last report", _OF_WORKER)

RUN = (RUN_INFO, RUN_VALID, RUN_UNDER_WAY, RUN_ELAPSED, RUN_STARTED, CRITERION, STAGE)
"""The run as such."""
LOAD = (TALKERS, TARGET_UP, TURNS, INTERRUPTIONS, SESSIONS, ERRORS, HTTP_ERRORS)
"""What was done, and what came of it."""
HEALTH = (
    SEND_LATENESS,
    LOOP_LAG,
    CPU,
    MEASURED,
    FRAMES_DROPPED,
    MISSED_STARTS,
    UNSENT,
    UNSENT_MAX,
    WORKERS_LOST,
    RECORDS_LOST,
    LOCAL_FAULTS,
    MEMORY,
)
"""The tester's own health: of a process, or merged over all workers."""
WORKER = (WORKERS, WORKER_TALKERS, WORKER_TURNS, WORKER_CPU, WORKER_LATENESS, WORKER_LAG, WORKER_OFFSET, WORKER_SILENT)
"""Each worker by itself, as the master sees it."""
