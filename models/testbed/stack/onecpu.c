// onecpu COMMAND...: CPU 0, nice -10, and a short time slice, so that a thread that wakes up does not wait for the end of the slice
// (about 3 ms) of a process that has nothing to do with the measurement.
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
struct attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t prio; uint64_t runtime, deadline, period; };
int main(int n, char **v) {
    cpu_set_t s; CPU_ZERO(&s); CPU_SET(0, &s); sched_setaffinity(0, sizeof s, &s);
    struct attr a = { sizeof a, 0, 0, -10, 0, 100000, 0, 0 };
    if (syscall(SYS_sched_setattr, 0, &a, 0)) perror("sched_setattr");
    // Nice values count within a session only (autogroup); this one says what the session counts.
    FILE *f = fopen("/proc/self/autogroup", "w");
    if (f) { fprintf(f, "-10"); fclose(f); }
    execvp(v[1], v + 1);
    return 1;
}
