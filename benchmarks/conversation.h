/* The conversation of peer.c: what it does when the user speaks and falls silent, and its responses on their timetables.
 *
 * Any call that sends may find the connection gone; then it is dropped and its responses are over (`connection` NULL).
 */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include "connection.h"

static struct script script = {1, 200, 300, -1, 4000, -1, 40, 150, -1, 0, 0, 0, 0};
static int64_t chunk_ns;
static struct timers timers;
static struct response **responses;
static size_t response_count, response_capacity;
static struct lateness lateness;
static struct buffer audio_tail; /* of every audio message: the audio as it is written, and the end of the message */

static void set_timer(struct response *r)
{
    timers_push(&timers, (struct timer){next_due(r, chunk_ns), r, ++r->timer});
}

static void end_response(struct response *r)
{
    struct connection *c = r->connection;
    struct response **link = &c->live;
    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    if (c->current == r)
        c->current = NULL;
    leave_timetable(r);
}

/* `late_deltas`: how many deltas will still follow the response.done. */
static void cancel_response(struct response *r, const char *reason, enum fate fate, uint32_t late_deltas)
{
    struct batch batch = {.length = 0};
    add_message(&batch, "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"r%u.%u\",\"status\":\"cancelled\","
                "\"status_details\":{\"type\":\"cancelled\",\"reason\":\"%s\"}}}", r->session, r->number, reason);
    struct connection *c = r->connection;
    r->fate = fate;
    r->done = now_ns();
    send_batch(c, &batch);
    if (!r->connection)
        return;
    if (!late_deltas) {
        end_response(r);
        return;
    }
    c->current = NULL;
    r->step = STEP_LATE;
}

static void complete_response(struct response *r)
{
    struct batch batch = {.length = 0};
    add_message(&batch, "{\"type\":\"response.output_audio.done\",\"event_id\":\"e\",\"response_id\":\"r%u.%u\",\"item_id\":\"i%u.%u\","
                "\"output_index\":0,\"content_index\":0}", r->session, r->number, r->session, r->number);
    add_message(&batch, "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"r%u.%u\",\"status\":\"completed\","
                "\"usage\":{\"input_tokens\":10,\"output_tokens\":20,\"total_tokens\":30}}}", r->session, r->number);
    r->fate = FATE_COMPLETED;
    r->done = now_ns();
    send_batch(r->connection, &batch);
    if (r->connection)
        end_response(r);
}

static void lose_connection(struct response *r)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    r->fate = FATE_LOST;
    setsockopt(r->connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    drop_connection(r->connection);
}

static void prepare_deltas(struct response *r)
{
    char text[320];
    uint8_t header[WS_HEADER_MAX];
    int length = 0;
    if (wire == OPENAI)
        length = snprintf(text, sizeof text, "{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\",\"response_id\":\"r%u.%u\","
                          "\"item_id\":\"i%u.%u\",\"output_index\":0,\"content_index\":0,\"delta\":\"",
                          r->session, r->number, r->session, r->number);
    else if (wire == TWILIO)
        length = snprintf(text, sizeof text, "{\"event\":\"media\",\"streamSid\":\"MZ%u\",\"media\":{\"payload\":\"", r->session);
    size_t header_length = ws_header(header, wire == RAW ? WS_BINARY : WS_TEXT, 0, (size_t)length + audio_tail.length);
    r->head_length = (uint32_t)header_length + (uint32_t)length;
    if (!(r->head = malloc(r->head_length)))
        die("memory");
    memcpy(r->head, header, header_length);
    memcpy(r->head + header_length, text, (size_t)length);
}

static int64_t stamp_send(int64_t due)
{
    int64_t now = now_ns();
    lateness_add(&lateness, now - due);
    return now;
}

static void send_delta(struct response *r, int64_t due)
{
    struct iovec parts[2] = {{r->head, r->head_length}, {audio_tail.bytes, audio_tail.length}};
    if (r->plan.gap_is_heard && r->chunks == r->plan.gap_chunk && r->step == STEP_AUDIO)
        r->underruns++;
    r->chunks++;
    messages_sent++;
    r->last_audio = stamp_send(due);
    if (!r->first_audio)
        r->first_audio = r->last_audio;
    send_parts(r->connection, parts, 2);
}

static void take_audio_step(struct response *r, int64_t due)
{
    if (!r->head)
        prepare_deltas(r);
    if (r->stop_due && r->stop_due <= due) {
        lateness_add(&lateness, now_ns() - due);
        cancel_response(r, "turn_detected", FATE_INTERRUPTED, r->plan.late_deltas);
    } else if (r->plan.end_chunk && r->chunks == r->plan.end_chunk) {
        if (r->plan.lost)
            lose_connection(r);
        else
            cancel_response(r, "turn_detected", FATE_EARLY_STOP, 0);
    } else {
        send_delta(r, due);
        if (r->connection && r->chunks == r->plan.chunks)
            complete_response(r);
    }
}

static void take_opening_step(struct response *r, int64_t due)
{
    struct batch batch = {.length = 0};
    unsigned s = r->session, n = r->number;
    if (r->step == STEP_TRANSCRIPT) {
        add_message(&batch, "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"event_id\":\"e\","
                    "\"item_id\":\"u%u.%u\",\"content_index\":0,\"transcript\":\"hello\"}", s, n);
        r->transcribed = stamp_send(due);
    } else if (r->step == STEP_CREATED) {
        add_message(&batch, "{\"type\":\"response.created\",\"event_id\":\"e\",\"response\":{\"id\":\"r%u.%u\","
                    "\"status\":\"in_progress\"}}", s, n);
        r->created = stamp_send(due);
    } else {
        add_message(&batch, "{\"type\":\"response.output_audio_transcript.delta\",\"event_id\":\"e\",\"response_id\":\"r%u.%u\","
                    "\"item_id\":\"i%u.%u\",\"output_index\":0,\"content_index\":0,\"delta\":\"hello\"}", s, n, s, n);
        r->token = stamp_send(due);
    }
    r->step++;
    send_batch(r->connection, &batch);
}

static void take_late_step(struct response *r, int64_t due)
{
    send_delta(r, due);
    if (r->connection && ++r->late_sent == r->plan.late_deltas)
        end_response(r);
}

static void run_due_timers(void)
{
    while (timers.count && timers.heap[0].due <= now_ns()) {
        struct timer timer = timers_pop(&timers);
        struct response *r = timer.response;
        if (timer.number != r->timer)
            continue;
        if (r->step < STEP_AUDIO)
            take_opening_step(r, timer.due);
        else if (r->step == STEP_AUDIO)
            take_audio_step(r, timer.due);
        else
            take_late_step(r, timer.due);
        if (r->step != STEP_OVER)
            set_timer(r);
    }
}

/* Audio is due after the drawn delay, or now where that is past. */
static void schedule_response(struct connection *c)
{
    struct response *r = calloc(1, sizeof *r);
    if (response_count == response_capacity) {
        response_capacity = response_capacity ? 2 * response_capacity : 1024;
        responses = realloc(responses, response_capacity * sizeof *responses);
    }
    if (!r || !responses)
        die("memory");
    responses[response_count++] = r;
    r->connection = c;
    r->session = c->session;
    r->number = c->utterances;
    r->asked = c->heard;
    r->plan = draw_plan(&script, r->session, r->number);
    r->scheduled = now_ns();
    r->audio_due = c->heard.heard_end + r->plan.delay;
    if (r->audio_due < r->scheduled)
        r->audio_due = r->scheduled;
    r->next = c->live;
    c->live = c->current = r;
    set_timer(r);
}

static void begin_speech(struct connection *c, int64_t arrived)
{
    struct batch batch = {.length = 0};
    c->speaking = 1;
    c->utterances++;
    c->samples = 0;
    add_message(&batch, "{\"type\":\"input_audio_buffer.speech_started\",\"event_id\":\"e\",\"audio_start_ms\":0,\"item_id\":\"u%u.%u\"}",
                c->session, c->utterances);
    c->heard = (struct utterance){.heard_onset = arrived, .speech_started = now_ns()};
    send_batch(c, &batch);
    struct response *r = c->current;
    if (!r)
        return;
    if (r->first_audio) {
        r->onset = arrived;
        r->stop_due = arrived + r->plan.stop_delay;
        set_timer(r);
    } else if (r->created) {
        cancel_response(r, "turn_detected", FATE_INTERRUPTED, 0);
    } else {
        end_response(r);
    }
}

/* A response that a very slow stop has kept alive until now ends here: the next one takes over. */
static void end_speech(struct connection *c)
{
    struct batch batch = {.length = 0};
    c->speaking = 0;
    if (c->current)
        cancel_response(c->current, "turn_detected", FATE_INTERRUPTED, 0);
    add_message(&batch, "{\"type\":\"input_audio_buffer.speech_stopped\",\"event_id\":\"e\",\"audio_end_ms\":%u,\"item_id\":\"u%u.%u\"}",
                (unsigned)(c->samples / (unsigned)samples_per_ms[wire]), c->session, c->utterances);
    add_message(&batch, "{\"type\":\"input_audio_buffer.committed\",\"event_id\":\"e\",\"item_id\":\"u%u.%u\",\"previous_item_id\":null}",
                c->session, c->utterances);
    c->heard.speech_stopped = now_ns();
    send_batch(c, &batch);
    if (c->fd >= 0)
        schedule_response(c);
}

static void hear(struct connection *c, uint64_t samples, int silent, int64_t arrived)
{
    if (!silent) {
        if (!c->speaking)
            begin_speech(c, arrived);
        c->heard.heard_end = arrived;
        c->silent_samples = 0;
    }
    c->samples += samples;
    if (!silent || !c->speaking)
        return;
    c->silent_samples += samples;
    if ((double)c->silent_samples >= script.silence_ms * samples_per_ms[wire])
        end_speech(c);
}

#endif
