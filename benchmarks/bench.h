/* What peer.c and bytes.c share as programs: clocks, `--name=value` options, a histogram of lateness, limits.
 * Instants are CLOCK_MONOTONIC, instants and durations are int64_t nanoseconds.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static inline int64_t cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* How long to sleep until an instant: not at all where it is past. */
static inline struct timespec time_until(int64_t due)
{
    int64_t left = due - now_ns();
    if (left < 0)
        left = 0;
    return (struct timespec){.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
}

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

/* All file descriptors the system allows, and timers that are not rounded. */
static inline void prepare_process(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1UL);
}

/* One option: exactly one of `number` (not negative) and `text` is set. The list ends with a NULL name. */
struct setting {
    const char *name;
    double *number;
    const char **text;
};

static inline void refuse(const char *why, const char *argument)
{
    fprintf(stderr, "%s: %s\n", why, argument);
    exit(2);
}

static inline void read_option(const char *argument, const struct setting *setting)
{
    for (; setting->name; setting++) {
        size_t length = strlen(setting->name);
        if (strncmp(argument, "--", 2) || strncmp(argument + 2, setting->name, length) || argument[2 + length] != '=')
            continue;
        const char *value = argument + 3 + length;
        if (setting->text) {
            *setting->text = value;
            return;
        }
        char *end;
        *setting->number = strtod(value, &end);
        if (end == value || *end || !(*setting->number >= 0 && *setting->number < 1e12))
            refuse("not a number", argument);
        return;
    }
    refuse("unknown option", argument);
}

static inline void read_options(int count, char **arguments, const struct setting *settings)
{
    for (int i = 1; i < count; i++)
        read_option(arguments[i], settings);
}

/* Counts of durations in buckets that are exact below 32 ns and at most 1/32 of their value wide above. */
enum { LATENESS_BUCKETS = 32 * 60 };

struct lateness {
    uint64_t counts[LATENESS_BUCKETS], total;
    int64_t max_ns;
};

static inline void lateness_add(struct lateness *lateness, int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;
    int shift = value < 32 ? 0 : 63 - __builtin_clzll(value) - 5;
    size_t bucket = value < 32 ? value : (size_t)(shift * 32) + (value >> shift);
    lateness->counts[bucket]++;
    lateness->total++;
    if (ns > lateness->max_ns)
        lateness->max_ns = ns;
}

/* The upper edge of the bucket that holds the quantile, in ms; 0 where nothing was counted. */
static inline double lateness_quantile_ms(const struct lateness *lateness, double quantile)
{
    uint64_t rank = (uint64_t)(quantile * (double)lateness->total), seen = 0;
    if (lateness->total == 0)
        return 0;
    for (size_t bucket = 0; bucket < LATENESS_BUCKETS; bucket++) {
        seen += lateness->counts[bucket];
        if (seen <= rank)
            continue;
        int shift = bucket < 64 ? 0 : (int)(bucket / 32) - 1;
        double edge = (double)((uint64_t)(bucket - (size_t)shift * 32 + 1) << shift);
        return (edge < (double)lateness->max_ns ? edge : (double)lateness->max_ns) / 1e6;
    }
    return (double)lateness->max_ns / 1e6;
}

#endif
