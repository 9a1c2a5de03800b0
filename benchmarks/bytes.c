/* A client that only moves the bytes: what a load tester costs at least. One thread, an epoll loop, no parsing.
 *
 *     cc -O2 -std=gnu11 -Wall -Wextra -o bytes bytes.c
 *     bytes --port=P --sessions=N --frame-ms=40 --seconds=20 [--ramp-per-s=200] [--cycle-ms=10000] [--speech-ms=2300]
 *           [--grid-us=500]
 *
 * Opens N WebSockets to 127.0.0.1, each with one session.update, then sends prepared audio frames (masked once, with a constant
 * key) on an absolute timetable: speech for the first part of each session's cycle, silence for the rest. What is due within one
 * step of the grid is sent together, as a wake-up costs as much as a frame. What arrives is read and counted. The window that is
 * measured begins when all sessions are streaming and lasts `seconds`; then one JSON line is printed.
 * Exit codes: 0; 1 when a session was not open within 10 s; 2 for a wrong option.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "wire.h"

enum { READ_SIZE = 1 << 16, EVENTS = 256, LOUD_FRAMES = 16, OPENING_MAX = 4096, TURNS_AT_ONCE = 256 };
static const int64_t OPENING_LIMIT = 10 * NS_PER_S;
static const uint8_t MASK_KEY[4] = {0x37, 0xFA, 0x21, 0x3D};

struct frame {
    uint8_t *bytes;
    size_t length;
};

enum state { CLOSED, CONNECTING, UPGRADING, SETTING, STREAMING };

struct session {
    int fd;
    enum state state;
    int64_t opened; /* when opening it began */
    uint64_t frames; /* due so far */
    const uint8_t *rest; /* of a frame that the kernel took in part */
    size_t rest_length, received;
    char *reply; /* while it opens: what arrived */
};

/* What is reported of the window. */
struct counts {
    struct lateness lateness;
    uint64_t sent, missed, received;
};

static double port, session_count, frame_ms = 40, seconds = 20, ramp_per_s = 200, cycle_ms = 10000, speech_ms = 2300,
    grid_us = 500;
static struct frame silent, loud[LOUD_FRAMES], settings_frame;
static struct session *sessions;
static size_t total, begun, opened, streaming;
static int64_t frame_ns, grid_ns;
static int poller;
static struct counts counts;

/* ---- frames */

static struct frame masked_frame(const char *text, size_t length)
{
    struct frame frame = {malloc(length + WS_HEADER_MAX), 0};
    if (!frame.bytes)
        die("memory");
    frame.length = ws_header(frame.bytes, WS_TEXT, 0x80, length);
    memcpy(frame.bytes + frame.length, MASK_KEY, 4);
    frame.length += 4;
    for (size_t i = 0; i < length; i++)
        frame.bytes[frame.length++] = (uint8_t)text[i] ^ MASK_KEY[i & 3];
    return frame;
}

static struct frame audio_frame(const int16_t *pcm, size_t samples)
{
    static const char head[] = "{\"type\":\"input_audio_buffer.append\",\"audio\":\"";
    char *text = malloc(sizeof head + samples * 8 / 3 + 8);
    if (!text)
        die("memory");
    size_t length = sizeof head - 1;
    memcpy(text, head, length);
    length += base64_encode(pcm, 2 * samples, text + length);
    memcpy(text + length, "\"}", 2);
    struct frame frame = masked_frame(text, length + 2);
    free(text);
    return frame;
}

static void prepare_frames(void)
{
    static const char settings[] =
        "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"instructions\":\"Answer in one or two short sentences.\","
        "\"output_modalities\":[\"audio\"],\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000},\"transcription\":"
        "{\"model\":\"whisper-1\"},\"turn_detection\":{\"type\":\"server_vad\",\"silence_duration_ms\":200}},\"output\":{\"format\":"
        "{\"type\":\"audio/pcm\",\"rate\":24000}}}}}";
    size_t samples = (size_t)(frame_ms * 24);
    int16_t *pcm = calloc(samples, sizeof *pcm);
    if (!pcm)
        die("memory");
    uint32_t noise = 1;
    silent = audio_frame(pcm, samples);
    for (size_t k = 0; k < LOUD_FRAMES; k++) {
        for (size_t i = 0; i < samples; i++)
            pcm[i] = (int16_t)((int32_t)((noise = noise * 1664525u + 1013904223u) >> 18) - 8192);
        loud[k] = audio_frame(pcm, samples);
    }
    free(pcm);
    settings_frame = masked_frame(settings, sizeof settings - 1);
}

/* ---- opening */

static void fail(const struct session *s, const char *why)
{
    fprintf(stderr, "session %zu of %zu could not be opened: %s\n", (size_t)(s - sessions) + 1, total, why);
    exit(1);
}

static void begin_opening(struct session *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    s->opened = now_ns();
    s->state = CONNECTING;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || !(s->reply = malloc(OPENING_MAX + 1)))
        fail(s, strerror(errno));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(s->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        fail(s, strerror(errno));
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = s};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event))
        fail(s, strerror(errno));
}

static void send_upgrade(struct session *s)
{
    char request[256];
    int length = snprintf(request, sizeof request, "GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1:%.0f\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n", port);
    if (send(s->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        fail(s, strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &event);
    s->state = UPGRADING;
}

static void read_opening(struct session *s)
{
    ssize_t length = recv(s->fd, s->reply + s->received, OPENING_MAX - s->received, 0);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0)
        fail(s, length ? strerror(errno) : "connection closed, or too much was said");
    s->received += (size_t)length;
    if (s->state == UPGRADING && memmem(s->reply, s->received, "\r\n\r\n", 4)) {
        if (s->received < 12 || memcmp(s->reply + 8, " 101", 4))
            fail(s, "the answer is not 101");
        if (send(s->fd, settings_frame.bytes, settings_frame.length, MSG_NOSIGNAL) != (ssize_t)settings_frame.length)
            fail(s, strerror(errno));
        s->state = SETTING;
    }
    if (s->state == SETTING && memmem(s->reply, s->received, "session.updated", 15)) {
        free(s->reply);
        s->reply = NULL;
        s->state = STREAMING;
        streaming++;
    }
}

/* Opens what the ramp asks for by now; returns when it will ask again. */
static int64_t follow_ramp(int64_t started)
{
    while (begun < total && started + (int64_t)((double)begun / ramp_per_s * 1e9) <= now_ns())
        begin_opening(&sessions[begun++]);
    while (opened < begun && (sessions[opened].state == STREAMING || sessions[opened].state == CLOSED))
        opened++;
    if (opened < begun && now_ns() - sessions[opened].opened > OPENING_LIMIT)
        fail(&sessions[opened], "not within 10 s");
    return begun < total ? started + (int64_t)((double)begun / ramp_per_s * 1e9) : now_ns() + NS_PER_S;
}

/* ---- streaming */

static void close_session(struct session *s)
{
    close(s->fd);
    s->state = CLOSED;
}

static void read_session(struct session *s)
{
    static uint8_t bytes[READ_SIZE];
    ssize_t length = recv(s->fd, bytes, sizeof bytes, 0);
    if (length > 0)
        counts.received += (uint64_t)length;
    else if (length == 0 || errno != EAGAIN)
        close_session(s);
}

static void handle(const struct epoll_event *event)
{
    struct session *s = event->data.ptr;
    if (s->state == STREAMING)
        read_session(s);
    else if (s->state == CONNECTING)
        send_upgrade(s);
    else
        read_opening(s);
}

/* Returns whether the kernel took the frame, at least its beginning. */
static int send_bytes(struct session *s, const uint8_t *bytes, size_t length)
{
    ssize_t taken = send(s->fd, bytes, length, MSG_NOSIGNAL);
    if (taken <= 0)
        return 0;
    s->rest = bytes + taken;
    s->rest_length = length - (size_t)taken;
    return 1;
}

static void send_due_frame(struct session *s, int64_t due)
{
    double into_cycle = (double)(s->frames * (uint64_t)frame_ns % (uint64_t)(cycle_ms * 1e6));
    const struct frame *frame = into_cycle < speech_ms * 1e6 ? &loud[s->frames % LOUD_FRAMES] : &silent;
    int64_t late = now_ns() - due;
    s->frames++;
    lateness_add(&counts.lateness, late);
    if (s->rest_length)
        send_bytes(s, s->rest, s->rest_length);
    int sent = s->state == STREAMING && !s->rest_length && send_bytes(s, frame->bytes, frame->length);
    counts.sent += (uint64_t)sent;
    counts.missed += !sent || late > frame_ns;
}

/* The timetable as one row of turns: turn t belongs to session t % total, and a frame's duration holds `total` turns. What falls between
   two instants of the grid is due at the later one. */
static int64_t turn_due(int64_t base, uint64_t turn)
{
    int64_t phase = (int64_t)(turn % total) * frame_ns / (int64_t)total;
    return base + (int64_t)(turn / total) * frame_ns + (phase + grid_ns - 1) / grid_ns * grid_ns;
}

/* ---- the program */

static unsigned long memory_kib(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %lu", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib;
}

static void report(double wall_s, double cpu_s)
{
    printf("{\"talkers\":%zu,\"frame_ms\":%g,\"wall_s\":%.3f,\"cpu_s\":%.3f,\"cpu_percent\":%.2f,\"send_lateness_p99_ms\":%.4f,"
           "\"send_lateness_max_ms\":%.4f,\"frames_sent\":%llu,\"frames_missed\":%llu,\"bytes_received\":%llu,\"memory_kib\":%lu}\n",
           total, frame_ms, wall_s, cpu_s, 100 * cpu_s / wall_s, lateness_quantile_ms(&counts.lateness, 0.99),
           (double)counts.lateness.max_ns / 1e6, (unsigned long long)counts.sent, (unsigned long long)counts.missed,
           (unsigned long long)counts.received, memory_kib());
}

static void read_arguments(int count, char **arguments)
{
    const struct setting settings[] = {
        {"port", &port, NULL}, {"sessions", &session_count, NULL}, {"frame-ms", &frame_ms, NULL}, {"seconds", &seconds, NULL},
        {"ramp-per-s", &ramp_per_s, NULL}, {"cycle-ms", &cycle_ms, NULL}, {"speech-ms", &speech_ms, NULL},
        {"grid-us", &grid_us, NULL}, {NULL, NULL, NULL}};
    read_options(count, arguments, settings);
    if (port < 1 || port > 65535 || session_count < 1 || frame_ms < 1 || ramp_per_s <= 0 || cycle_ms < 1 || grid_us < 1)
        refuse("needed or out of range, among", "--port --sessions --frame-ms --ramp-per-s --cycle-ms");
    total = (size_t)session_count;
    frame_ns = (int64_t)(frame_ms * 1e6);
    grid_ns = (int64_t)(grid_us * 1e3);
}

/* Runs until the window is over and reports it. A turn of a session that has not sent its first frame yet is passed over. */
static void run(void)
{
    static struct epoll_event events[EVENTS];
    int64_t started = now_ns(), window = 0, cpu = 0;
    uint64_t turn = 0;
    for (;;) {
        int64_t ramp = follow_ramp(started), due;
        for (int taken = 0; (due = turn_due(started, turn)) <= now_ns() && taken < TURNS_AT_ONCE; taken++) {
            struct session *s = &sessions[turn++ % total];
            if (s->state == STREAMING || s->frames)
                send_due_frame(s, due);
        }
        if (window && now_ns() - window >= (int64_t)(seconds * 1e9))
            break;
        struct timespec left = time_until(due < ramp ? due : ramp);
        int count = epoll_pwait2(poller, events, EVENTS, &left, NULL);
        for (int i = 0; i < count; i++)
            handle(&events[i]);
        if (!window && streaming == total) {
            memset(&counts, 0, sizeof counts);
            window = now_ns();
            cpu = cpu_ns();
        }
    }
    report((double)(now_ns() - window) / 1e9, (double)(cpu_ns() - cpu) / 1e9);
}

int main(int count, char **arguments)
{
    read_arguments(count, arguments);
    prepare_process();
    prepare_frames();
    if (!(sessions = calloc(total, sizeof *sessions)))
        die("memory");
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");
    run();
    return 0;
}
