/* The script of peer.c: what is drawn for each response, its timetable, and the truth that is written about it.
 * Instants are CLOCK_MONOTONIC ns, 0 where an instant did not happen.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "bench.h"

/* Durations in ms, shares from 0 to 1. */
struct script {
    double seed, silence_ms, delay_ms, delay_max_ms, reply_ms, reply_max_ms, chunk_ms, stop_ms, stop_max_ms;
    double late_deltas, gap_share, early_share, lost_share;
};

enum fate { FATE_OPEN, FATE_COMPLETED, FATE_INTERRUPTED, FATE_EARLY_STOP, FATE_LOST };
enum step { STEP_TRANSCRIPT, STEP_CREATED, STEP_TOKEN, STEP_AUDIO, STEP_LATE, STEP_OVER };

struct utterance {
    int64_t heard_onset, heard_end, speech_started, speech_stopped;
};

/* What is drawn for one response. `end_chunk`: chunks after which it stops early or is lost; 0: it does not. */
struct plan {
    int64_t delay, stop_delay, gap;
    uint32_t chunks, late_deltas, gap_chunk, end_chunk;
    uint8_t gap_is_heard, lost;
};

struct connection;

struct response {
    struct connection *connection; /* NULL once the client is gone */
    struct response *next;         /* among the connection's responses that are not over */
    uint32_t session, number;
    struct utterance asked;
    int64_t onset, transcribed, created, token, first_audio, last_audio, done;
    uint32_t chunks, underruns, late_sent;
    enum fate fate;
    enum step step;
    struct plan plan;
    int64_t scheduled, audio_due, stop_due;
    uint32_t timer;       /* a timer with another number is stale */
    char *head;           /* of its audio deltas: everything before the base64 */
    uint32_t head_length;
};

static inline uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}

static inline double draw(uint64_t *state, double low, double high)
{
    return low + (high - low) * (double)(splitmix64(state) >> 11) * 0x1p-53;
}

/* A whole number, both ends possible. */
static inline uint32_t draw_whole(uint64_t *state, uint32_t low, uint32_t high)
{
    uint32_t drawn = (uint32_t)draw(state, low, (double)high + 1);
    return drawn > high ? high : drawn;
}

/* The same draws in the same order whatever they decide, so that one option does not move what another one draws. */
static inline struct plan draw_plan(const struct script *script, uint32_t session, uint32_t number)
{
    uint64_t state = (uint64_t)script->seed;
    state = splitmix64(&state) ^ session;
    state = splitmix64(&state) ^ number;
    struct plan plan = {0};
    plan.delay = (int64_t)(draw(&state, script->delay_ms, script->delay_max_ms) * 1e6);
    plan.chunks = (uint32_t)(draw(&state, script->reply_ms, script->reply_max_ms) / script->chunk_ms + 0.5);
    plan.chunks = plan.chunks ? plan.chunks : 1;
    plan.stop_delay = (int64_t)(draw(&state, script->stop_ms, script->stop_max_ms) * 1e6);
    plan.late_deltas = draw_whole(&state, 0, (uint32_t)script->late_deltas);
    int has_gap = draw(&state, 0, 1) < script->gap_share, heard = draw(&state, 0, 1) < 0.5;
    double length = draw(&state, 0, 1), place = draw(&state, 0, 1);
    if (has_gap && plan.chunks >= 15) {
        plan.gap = (int64_t)((heard ? 150 + 250 * length : 5 + 20 * length) * 1e6);
        plan.gap_chunk = 5 + (uint32_t)(place * (plan.chunks - 9));
        plan.gap_is_heard = (uint8_t)heard;
    }
    int early = draw(&state, 0, 1) < script->early_share, lost = draw(&state, 0, 1) < script->lost_share;
    place = draw(&state, 0, 1);
    if ((early || lost) && plan.chunks >= 6) {
        plan.end_chunk = 3 + (uint32_t)(place * (plan.chunks - 5));
        plan.lost = (uint8_t)lost;
    }
    return plan;
}

/* When delta number `chunks` is due: on the timetable, or at the end of a gap that holds it. */
static inline int64_t delta_due(const struct response *response, int64_t chunk_ns)
{
    int64_t due = response->audio_due + response->chunks * chunk_ns;
    int64_t gap_start = response->audio_due + response->plan.gap_chunk * chunk_ns, gap_end = gap_start + response->plan.gap;
    return due >= gap_start && due < gap_end ? gap_end : due;
}

static inline int64_t next_due(const struct response *response, int64_t chunk_ns)
{
    if (response->step == STEP_LATE)
        return response->done + (response->late_sent + 1) * chunk_ns / 2;
    if (response->step < STEP_AUDIO)
        return response->scheduled + (response->audio_due - response->scheduled) * (1 + (int)response->step) / 4;
    int64_t due = delta_due(response, chunk_ns);
    return response->stop_due && response->stop_due < due ? response->stop_due : due;
}

static inline void write_instant(FILE *file, int64_t instant)
{
    if (instant)
        fprintf(file, "%lld", (long long)instant);
    fputc('\t', file);
}

static inline void write_truth(FILE *file, struct response *const *responses, size_t count)
{
    static const char *const fates[] = {"open", "completed", "interrupted", "early_stop", "lost"};
    fputs("response_id\tconnection\tonset_ns\theard_onset_ns\theard_end_ns\tspeech_started_ns\tspeech_stopped_ns\ttranscribed_ns\t"
          "created_ns\ttoken_ns\tfirst_audio_ns\tlast_audio_ns\tdone_ns\tchunks\tunderruns\tfate\n", file);
    for (size_t i = 0; i < count; i++) {
        const struct response *r = responses[i];
        if (!r->created)
            continue;
        const int64_t instants[] = {
            r->onset, r->asked.heard_onset, r->asked.heard_end, r->asked.speech_started, r->asked.speech_stopped, r->transcribed,
            r->created, r->token, r->first_audio, r->last_audio, r->done};
        fprintf(file, "r%u.%u\t%u\t", r->session, r->number, r->session);
        for (size_t k = 0; k < sizeof instants / sizeof *instants; k++)
            write_instant(file, instants[k]);
        fprintf(file, "%u\t%u\t%s\n", r->chunks, r->underruns, fates[r->fate]);
    }
}

/* A binary heap of timers. */
struct timer {
    int64_t due;
    struct response *response;
    uint32_t number;
};

struct timers {
    struct timer *heap;
    size_t count, capacity;
};

static inline void timers_push(struct timers *timers, struct timer timer)
{
    if (timers->count == timers->capacity) {
        timers->capacity = timers->capacity ? 2 * timers->capacity : 1024;
        if (!(timers->heap = realloc(timers->heap, timers->capacity * sizeof timer)))
            die("memory");
    }
    size_t at = timers->count++;
    for (; at && timers->heap[(at - 1) / 2].due > timer.due; at = (at - 1) / 2)
        timers->heap[at] = timers->heap[(at - 1) / 2];
    timers->heap[at] = timer;
}

static inline struct timer timers_pop(struct timers *timers)
{
    struct timer first = timers->heap[0], last = timers->heap[--timers->count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < timers->count) {
        if (child + 1 < timers->count && timers->heap[child + 1].due < timers->heap[child].due)
            child++;
        if (timers->heap[child].due >= last.due)
            break;
        timers->heap[at] = timers->heap[child];
        at = child;
    }
    timers->heap[at] = last;
    return first;
}

#endif
