/* One direction of a talker's network path: when bytes that are sent arrive. What it means is said in `transit.py`; the numbers are the same.
 * No call of Python code. Included by `_transit.h`.
 */
#include <stdint.h>

enum { QUANTILES = 1024, QUANTILE_BITS = 10, MSS = 1448, HEADERS = 52 };
static const int64_t NEVER = INT64_MAX, RTO_MIN_NS = 200000000, RTO_MAX_NS = 120 * (int64_t)1000000000;

static uint64_t dice(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int64_t drawn(const int64_t *quantiles, uint64_t *state)
{
    return quantiles[dice(state) >> (64 - QUANTILE_BITS)];
}

/* `gaps`: NULL where there are none. */
typedef struct {
    const int64_t *gaps, *lengths;
    uint64_t state;
    int64_t begin, end;
} Stalls;

static int64_t after_stall(Stalls *stalls, int64_t t_ns)
{
    if (!stalls->gaps)
        return t_ns;
    while (stalls->end <= t_ns) {
        stalls->begin = stalls->end + drawn(stalls->gaps, &stalls->state);
        stalls->end = stalls->begin + drawn(stalls->lengths, &stalls->state);
    }
    return stalls->begin <= t_ns ? stalls->end : t_ns;
}

typedef struct {
    const int64_t *jitter;
    int64_t base_ns, ps_per_byte, loss, rtt_ns, free_ns, last_ns, before_ns;
    long long lost;
    uint64_t state;
    Stalls leaving, landing;
} Way;

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t retransmission(Way *way, int64_t gap_ns)
{
    if ((int64_t)(dice(&way->state) >> 32) >= way->loss)
        return 0;
    int64_t rtt_ns = way->rtt_ns, late_ns = sooner(rtt_ns + later(rtt_ns / 4, gap_ns), 2 * rtt_ns), timer_ns = rtt_ns + RTO_MIN_NS;
    way->lost++;
    while ((int64_t)(dice(&way->state) >> 32) < way->loss) {
        way->lost++;
        late_ns += timer_ns;
        timer_ns = sooner(2 * timer_ns, RTO_MAX_NS);
    }
    return late_ns;
}

static int64_t passes(Way *way, int64_t at_ns, int64_t size, int64_t cut_ns)
{
    int64_t gap_ns = at_ns - way->before_ns;
    way->before_ns = at_ns;
    int64_t start_ns = after_stall(&way->leaving, later(at_ns, way->free_ns));
    if (start_ns >= cut_ns)
        return NEVER;
    int64_t jitter_ns = drawn(way->jitter, &way->state), segments = later(1, (size + MSS - 1) / MSS);
    int64_t arrives_ns = way->free_ns = start_ns + (size + segments * HEADERS) * way->ps_per_byte / 1000;
    for (int64_t n = 1; way->loss && n <= segments; n++) {
        int64_t late_ns = retransmission(way, n == segments ? gap_ns : 0);
        if (late_ns)
            arrives_ns = later(arrives_ns, start_ns + (sooner(n * MSS, size) + n * HEADERS) * way->ps_per_byte / 1000 + late_ns);
    }
    arrives_ns = after_stall(&way->landing, later(way->last_ns, arrives_ns + way->base_ns + jitter_ns));
    arrives_ns = later(way->last_ns + 1, arrives_ns);
    way->last_ns = arrives_ns;
    return arrives_ns < cut_ns ? arrives_ns : NEVER;
}
