// stalls FILE: notes when CPU 0 stood still (the host took it, or something no priority is above): "end_ns length_ms" of each lateness above 2 ms.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <sys/prctl.h>
int main(int n, char **v) {
    cpu_set_t s; CPU_ZERO(&s); CPU_SET(0, &s); sched_setaffinity(0, sizeof s, &s);
    struct sched_param p = { 50 }; sched_setscheduler(0, SCHED_FIFO, &p);
    prctl(PR_SET_TIMERSLACK, 1000);
    FILE *f = fopen(v[1], "w"); setvbuf(f, 0, _IOLBF, 0);
    for (;;) {
        struct timespec a, b, d = { 0, 2000000 };
        clock_gettime(CLOCK_MONOTONIC, &a); clock_nanosleep(CLOCK_MONOTONIC, 0, &d, 0); clock_gettime(CLOCK_MONOTONIC, &b);
        double late = (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6 - 2;
        if (late > 2) fprintf(f, "%lld %.2f\n", b.tv_sec * 1000000000LL + b.tv_nsec, late);
    }
}
