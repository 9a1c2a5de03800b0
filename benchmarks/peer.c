/* A scripted voice assistant for benchmarks and calibration: one thread, thousands of sessions, exact in time.
 *
 *     cc -O2 -std=gnu11 -Wall -Wextra -o peer peer.c
 *     peer [--name=value ...]        stop it with SIGTERM or SIGINT
 *
 * It speaks on 127.0.0.1: any POST mints a token, any WebSocket is a session. What it hears is only told apart as silent (all samples 0)
 * or not; what it does is drawn per response from (seed, session, response) and can be repeated.
 *
 *     --port=0            0: any free one
 *     --wire=openai       OpenAI's Realtime; raw: binary PCM16 at 16 kHz; twilio: Twilio's media streams
 *     --truth=            file for what was done, one line per response (columns: script.h's write_truth); written at the end
 *     --seed=1
 *     --silence-ms=200    silence that ends a turn
 *     --delay-ms=300      end of speech heard to first audio; up to --delay-max-ms
 *     --reply-ms=4000     audio of a response; up to --reply-max-ms
 *     --chunk-ms=40       audio of one delta, sent at real-time pace
 *     --stop-ms=150       barge-in heard to last audio; up to --stop-max-ms
 *     --late-deltas=0     at most so many deltas after the response.done that a barge-in caused
 *     --gap-share=0       share of responses whose audio is held once: half of them inaudibly (5..25 ms), half for 150..400 ms
 *     --early-share=0     share of responses that are cancelled although nobody spoke
 *     --lost-share=0      share of responses during which the connection is reset
 *
 * Prints its address at the start and one JSON line about its own work at the end. An instant of hearing is the kernel's stamp of
 * the arrival, an instant of sending is taken just before the system call.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>

#include "conversation.h"

enum { READ_SIZE = 1 << 16, HTTP_MAX = 1 << 16, HEAD = 256, TYPE_WITHIN = 64, AUDIO_MIN = 200, EVENTS = 256, BACKLOG = 4096 };
static const uint64_t FRAME_MAX = 64u << 20;

static uint32_t sessions_ever, sessions_max, tokens;
static uint64_t messages_received;
static volatile sig_atomic_t stopping;

/* ---- what a message says */

static void unmask(const uint8_t *masked, size_t length, const uint8_t key[4], char *plain)
{
    for (size_t i = 0; i < length; i++)
        plain[i] = (char)(masked[i] ^ key[i & 3]);
}

static int begins_with_type(const char *head, size_t length, const char *part)
{
    return memmem(head, length < TYPE_WITHIN ? length : TYPE_WITHIN, part, strlen(part)) != NULL;
}

/* Whether masked bytes are all the same `plain` one; `at`: their place in the message, which decides the key's turn. */
static int all_one(const uint8_t *masked, size_t length, const uint8_t key[4], size_t at, uint8_t plain)
{
    uint8_t zeros[8];
    uint64_t expected, word;
    for (size_t i = 0; i < 8; i++)
        zeros[i] = plain ^ key[(at + i) & 3];
    memcpy(&expected, zeros, 8);
    for (; length >= 8; masked += 8, length -= 8) {
        memcpy(&word, masked, 8);
        if (word != expected)
            return 0;
    }
    return memcmp(masked, zeros, length) == 0;
}

static void take_audio(struct connection *c, const uint8_t *masked, size_t length, const uint8_t key[4], const char *head, int64_t arrived)
{
    const char *field = wire == TWILIO ? "\"payload\":" : "\"audio\":";
    const char *name = memmem(head, HEAD, field, strlen(field));
    const char *quote = name ? memchr(name + strlen(field), '"', (size_t)(head + HEAD - name) - strlen(field)) : NULL;
    if (!quote)
        return;
    size_t start = (size_t)(quote + 1 - head), end = wire == TWILIO ? start : length - 1, padding = 0;
    int step = wire == TWILIO ? 1 : -1; /* nothing that is a string stands behind the audio of the others, so they are read from their end */
    while (end > start - 1 && end < length && (masked[end] ^ key[end & 3]) != '"')
        end += (size_t)step;
    if (end == length || end <= start)
        return;
    for (; padding < 2 && end > start && (masked[end - 1] ^ key[(end - 1) & 3]) == '='; end--)
        padding++;
    size_t bytes = (end - start + padding) / 4 * 3 - padding;
    if (wire == TWILIO) /* silence is 0xFF, hence slashes, but for the last few characters */
        hear(c, bytes, all_one(masked + start, (end - start) / 4 * 4, key, start, '/'), arrived);
    else
        hear(c, bytes / 2, all_one(masked + start, end - start, key, start, 'A'), arrived);
}

static void confirm_settings(struct connection *c)
{
    struct batch batch = {.length = 0};
    add_message(&batch, "{\"type\":\"session.updated\",\"event_id\":\"e\",\"session\":{\"type\":\"realtime\",\"id\":\"sess_%u\",\"audio\":{"
                "\"input\":{\"turn_detection\":{\"type\":\"server_vad\",\"silence_duration_ms\":%.0f}}}}}", c->session, script.silence_ms);
    send_batch(c, &batch);
}

static void take_message(struct connection *c, const uint8_t *masked, size_t length, const uint8_t key[4], int opcode, int64_t arrived)
{
    char head[HEAD] = {0};
    size_t known = length < HEAD ? length : HEAD;
    messages_received++;
    if (wire == RAW) {
        if (opcode == WS_BINARY)
            hear(c, length / 2, all_one(masked, length, key, 0, 0), arrived);
        return;
    }
    unmask(masked, known, key, head);
    if (wire == TWILIO) {
        if (length > AUDIO_MIN && memmem(head, known, "\"payload\":", 10))
            take_audio(c, masked, length, key, head, arrived);
        return;
    }
    if (length > AUDIO_MIN && begins_with_type(head, known, "append"))
        take_audio(c, masked, length, key, head, arrived);
    else if (begins_with_type(head, known, "session.update"))
        confirm_settings(c);
    else if (begins_with_type(head, known, "response.cancel") && c->current && c->current->created)
        cancel_response(c->current, "client_cancelled", FATE_INTERRUPTED, 0);
}

/* ---- frames and requests: each function returns the bytes it has used, 0 where what there is does not make a whole one */

static void answer_control(struct connection *c, int opcode, const uint8_t *masked, size_t length, const uint8_t key[4])
{
    struct batch batch = {.length = 0};
    length = length < 125 ? length : 125;
    batch.length = ws_header(batch.bytes, opcode == WS_PING ? WS_PONG : WS_CLOSE, 0, length);
    unmask(masked, length, key, (char *)batch.bytes + batch.length);
    batch.length += length;
    send_batch(c, &batch);
    if (opcode == WS_CLOSE)
        drop_connection(c);
}

static size_t take_frame(struct connection *c, const uint8_t *bytes, size_t available, int64_t arrived)
{
    static const uint8_t no_key[4];
    if (available < 2)
        return 0;
    int opcode = bytes[0] & 15, masked = bytes[1] >> 7, wide = (bytes[1] & 127) == 127 ? 8 : (bytes[1] & 127) == 126 ? 2 : 0;
    size_t header = 2 + (size_t)wide + (masked ? 4 : 0);
    if (available < header)
        return 0;
    uint64_t length = wide ? 0 : bytes[1] & 127;
    for (int i = 0; i < wide; i++)
        length = length << 8 | bytes[2 + i];
    if (length > FRAME_MAX) {
        drop_connection(c);
        return 0;
    }
    if (available < header + length)
        return 0;
    const uint8_t *key = masked ? bytes + header - 4 : no_key;
    if (opcode == WS_TEXT || opcode == WS_BINARY)
        take_message(c, bytes + header, length, key, opcode, arrived);
    else if (opcode == WS_PING || opcode == WS_CLOSE)
        answer_control(c, opcode, bytes + header, length, key);
    return header + length;
}

static void open_session(struct connection *c, const char *head, size_t length)
{
    struct batch batch = {.length = 0};
    char accept[29];
    size_t key_length = 0, offered_length = 0;
    const char *key = header_value(head, length, "Sec-WebSocket-Key", &key_length);
    const char *offered = header_value(head, length, "Sec-WebSocket-Protocol", &offered_length);
    accept_value(key ? key : "", key_length, accept);
    add_text(&batch, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    add_text(&batch, "Sec-WebSocket-Accept: %s\r\n", accept);
    if (offered) {
        const char *comma = memchr(offered, ',', offered_length);
        size_t first = comma ? (size_t)(comma - offered) : offered_length;
        add_text(&batch, "Sec-WebSocket-Protocol: %.*s\r\n", first < 1000 ? (int)first : 1000, offered);
    }
    add_text(&batch, "\r\n");
    c->session = ++sessions_ever;
    if (++sessions_open > sessions_max)
        sessions_max = sessions_open;
    add_message(&batch, "{\"type\":\"session.created\",\"event_id\":\"e\",\"session\":{\"id\":\"sess_%u\"}}", c->session);
    send_batch(c, &batch);
}

static size_t take_request(struct connection *c, const uint8_t *bytes, size_t available)
{
    const char *head = (const char *)bytes, *end = memmem(head, available, "\r\n\r\n", 4);
    if (!end) {
        if (available > HTTP_MAX)
            drop_connection(c);
        return 0;
    }
    struct batch batch = {.length = 0};
    size_t length = (size_t)(end + 4 - head), value_length = 0, body = 0;
    const char *value = header_value(head, length, "Content-Length", &value_length);
    if (value)
        body = strtoul(value, NULL, 10);
    if (body > HTTP_MAX)
        drop_connection(c);
    if (body > HTTP_MAX || available < length + body)
        return 0;
    value = header_value(head, length, "Upgrade", &value_length);
    if (!strncmp(head, "GET ", 4) && value && value_length == 9 && !strncasecmp(value, "websocket", 9)) {
        open_session(c, head, length);
        return length + body;
    }
    if (!strncmp(head, "POST ", 5)) {
        char token[40];
        int token_length = snprintf(token, sizeof token, "{\"value\":\"ek_%u\"}", ++tokens);
        add_text(&batch, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", token_length, token);
    } else {
        add_text(&batch, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
    send_batch(c, &batch);
    return length + body;
}

/* ---- sockets */

/* The kernel's stamp of the arrival, brought to CLOCK_MONOTONIC; now where there is none. */
static int64_t arrival(struct msghdr *message)
{
    int64_t now = now_ns();
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        struct timespec stamp;
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
        int64_t age = clock_ns(CLOCK_REALTIME) - (stamp.tv_sec * NS_PER_S + stamp.tv_nsec);
        return stamp.tv_sec && age > 0 ? now - age : now;
    }
    return now;
}

static void take_bytes(struct connection *c, const uint8_t *bytes, size_t length, int64_t arrived)
{
    int kept = c->unread.length > 0;
    if (kept) {
        append(&c->unread, bytes, length);
        bytes = c->unread.bytes;
        length = c->unread.length;
    }
    size_t used = 0, more;
    do {
        more = c->session ? take_frame(c, bytes + used, length - used, arrived) : take_request(c, bytes + used, length - used);
        used += more;
    } while (more && c->fd >= 0);
    if (kept)
        discard(&c->unread, used);
    else if (used < length)
        append(&c->unread, bytes + used, length - used);
}

static void read_connection(struct connection *c)
{
    static uint8_t bytes[READ_SIZE];
    _Alignas(struct cmsghdr) char control[256];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(c->fd, &message, 0);
    if (length > 0)
        take_bytes(c, bytes, (size_t)length, arrival(&message));
    else if (length == 0 || (errno != EAGAIN && errno != EINTR))
        drop_connection(c);
}

static void accept_connections(int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            die("memory");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
    if (errno == EMFILE || errno == ENFILE)
        die("accept");
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4); /* for what it accepts: BBR would pace what is sent at once */
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, BACKLOG))
        die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* ---- the program */

static void stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static void handle(const struct epoll_event *event, int listener)
{
    struct connection *c = event->data.ptr;
    if (!c) {
        accept_connections(listener);
        return;
    }
    if (c->fd >= 0 && event->events & EPOLLOUT)
        send_unsent(c);
    if (c->fd >= 0 && event->events & ~(uint32_t)EPOLLOUT)
        read_connection(c);
}

/* Returns the greatest share of a core that was used in any whole second. */
static double serve(int listener)
{
    static struct epoll_event events[EVENTS];
    int64_t second = now_ns(), cpu = cpu_ns();
    double busiest = 0;
    while (!stopping) {
        int64_t due = second + NS_PER_S;
        if (timers.count && timers.heap[0].due < due)
            due = timers.heap[0].due;
        struct timespec left = time_until(due);
        int count = epoll_pwait2(poller, events, EVENTS, &left, NULL);
        run_due_timers();
        for (int i = 0; i < count; i++) {
            handle(&events[i], listener);
            run_due_timers();
        }
        free_closed_connections();
        int64_t now = now_ns();
        if (now - second >= NS_PER_S) {
            double share = (double)(cpu_ns() - cpu) / (double)(now - second);
            busiest = share > busiest ? share : busiest;
            second = now;
            cpu = cpu_ns();
        }
    }
    return busiest;
}

static void prepare_audio(void)
{
    size_t per_ms = (size_t)samples_per_ms[wire], samples = (size_t)(script.chunk_ms * (double)per_ms);
    size_t length = wire == TWILIO ? samples : 2 * samples;
    int16_t *wave = malloc(2 * samples);
    uint8_t *codes = malloc(samples);
    char *text = malloc(samples * 8 / 3 + 8);
    if (!wave || !codes || !text)
        die("memory");
    for (size_t i = 0; i < samples; i++) {
        wave[i] = i / per_ms % 2 ? -8000 : 8000;
        codes[i] = i / per_ms % 2 ? 0x1F : 0x9F; /* mu-law of about the same */
    }
    if (wire == RAW)
        append(&audio_tail, wave, length);
    else
        append(&audio_tail, text, base64_encode(wire == TWILIO ? (void *)codes : wave, length, text));
    if (wire != RAW)
        append(&audio_tail, "\"}}", wire == TWILIO ? 3 : 2);
    free(wave);
    free(codes);
    free(text);
}

static const char *read_arguments(int count, char **arguments, double *port)
{
    const char *truth = "", *spoken = "openai";
    const struct setting settings[] = {
        {"port", port, NULL}, {"wire", NULL, &spoken}, {"truth", NULL, &truth}, {"seed", &script.seed, NULL}, {"silence-ms", &script.silence_ms, NULL},
        {"delay-ms", &script.delay_ms, NULL}, {"delay-max-ms", &script.delay_max_ms, NULL}, {"reply-ms", &script.reply_ms, NULL},
        {"reply-max-ms", &script.reply_max_ms, NULL}, {"chunk-ms", &script.chunk_ms, NULL}, {"stop-ms", &script.stop_ms, NULL},
        {"stop-max-ms", &script.stop_max_ms, NULL}, {"late-deltas", &script.late_deltas, NULL}, {"gap-share", &script.gap_share, NULL},
        {"early-share", &script.early_share, NULL}, {"lost-share", &script.lost_share, NULL}, {NULL, NULL, NULL}};
    read_options(count, arguments, settings);
    if (strcmp(spoken, "openai") && strcmp(spoken, "raw") && strcmp(spoken, "twilio"))
        refuse("there are openai, raw, twilio", "--wire");
    wire = !strcmp(spoken, "raw") ? RAW : !strcmp(spoken, "twilio") ? TWILIO : OPENAI;
    if (script.chunk_ms < 1 || *port > 65535)
        refuse("out of range", script.chunk_ms < 1 ? "--chunk-ms" : "--port");
    script.delay_max_ms = script.delay_max_ms < 0 ? script.delay_ms : script.delay_max_ms;
    script.reply_max_ms = script.reply_max_ms < 0 ? script.reply_ms : script.reply_max_ms;
    script.stop_max_ms = script.stop_max_ms < 0 ? script.stop_ms : script.stop_max_ms;
    return truth;
}

int main(int count, char **arguments)
{
    double port = 0;
    const char *truth_path = read_arguments(count, arguments, &port);
    FILE *truth = NULL;
    if (*truth_path && !(truth = fopen(truth_path, "w")))
        die(truth_path);
    prepare_process();
    chunk_ns = (int64_t)(script.chunk_ms * 1e6);
    prepare_audio();
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int listener = listen_on((uint16_t)port);
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &accepting);
    int64_t started = now_ns(), cpu = cpu_ns();
    double busiest = serve(listener);
    double wall_s = (double)(now_ns() - started) / 1e9, cpu_s = (double)(cpu_ns() - cpu) / 1e9;
    if (truth) {
        write_truth(truth, responses, response_count);
        if (fclose(truth))
            die(truth_path);
    }
    size_t opened = 0;
    for (size_t i = 0; i < response_count; i++)
        opened += responses[i]->created != 0;
    printf("{\"wall_s\":%.3f,\"cpu_s\":%.3f,\"busy_share\":%.4f,\"sessions_max\":%u,\"messages_received\":%llu,\"messages_sent\":%llu,"
           "\"send_lateness_p99_ms\":%.4f,\"responses\":%zu}\n", wall_s, cpu_s, busiest, sessions_max,
           (unsigned long long)messages_received, (unsigned long long)messages_sent, lateness_quantile_ms(&lateness, 0.99), opened);
    return 0;
}
