// Load generator: one thread, epoll, latency from the intended start.
//
//   olg -p PORT -o LOG -T TIMEOUT_S -s SCHEDULE [-n]            open: lines "offset_ns path" in order
//   olg -p PORT -o LOG -T TIMEOUT_S -c CLIENTS -d SECONDS -u PATH [-t LO_MS,HI_MS] [-n]   closed, think time uniform
//
// -n: a new connection for each request. Each request's path gets "i=NUMBER" appended. LOG: first line "t0_ns N", then
// index,intended_ns,send_ns,done_ns,status,connected_ns (0: client time-out, -1: connection broke), relative to t0; CLOCK_MONOTONIC.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAXREQ = 1000000, MAXCONN = 20000, BUF = 2048 };
typedef struct { int fd, state, req, len; char buf[BUF]; } conn;      // state 0 closed, 1 connecting, 2 waiting, 3 idle
typedef struct { int64_t intended, send, done, up; int status, client, conn; const char *path; } request;

static request *q;
static conn *c;
static int nreq, started, unfinished, oldest, ep, port, fresh, *idle, nidle, *freec, nfree, opened, errors;
static int64_t t0, timeout_ns, *wake;   // wake: when a closed client sends next, or -1
static int clients; static double lo = 0, hi = 0; static const char *url; static int64_t stop_at;

static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }

static void shut(int k) {
    if (c[k].state == 3) for (int j = 0; j < nidle; j++) if (idle[j] == k) { idle[j] = idle[--nidle]; break; }
    close(c[k].fd); c[k].state = 0; c[k].req = -1; freec[nfree++] = k;
}

static void finish(int r, int status) {
    request *x = &q[r];
    if (x->status != -2) return;
    x->status = status; x->done = now() - t0; unfinished--;
    if (x->client >= 0) wake[x->client] = x->done + (int64_t)(1e6 * (lo + (hi - lo) * drand48()));
}

static void send_request(int k) {
    request *x = &q[c[k].req];
    char b[512];
    int n = snprintf(b, sizeof b, "GET %s%ci=%d HTTP/1.1\r\nHost: l\r\n%s\r\n", x->path, strchr(x->path, '?') ? '&' : '?', (int)(x - q),
        fresh ? "Connection: close\r\n" : "");
    c[k].state = 2; c[k].len = 0;
    if (write(c[k].fd, b, n) != n) { int r = c[k].req; errors++; shut(k); finish(r, -1); }
}

static void start(int r) {
    request *x = &q[r];
    x->status = -2; x->send = now() - t0; unfinished++;
    if (!fresh && nidle) {
        int k = idle[--nidle];
        c[k].req = r; x->conn = k; send_request(k); return;
    }
    if (!nfree) { errors++; finish(r, -1); return; }
    int k = freec[--nfree], fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c[k].fd = fd; c[k].req = r; c[k].state = 1; x->conn = k; opened++;
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = k };
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) { errors++; shut(k); finish(r, -1); }
}

// One response at a time; its length is always stated.
static void readable(int k) {
    for (;;) {
        int n = read(c[k].fd, c[k].buf + c[k].len, BUF - 1 - c[k].len);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) { int r = c[k].req, busy = c[k].state == 2 || c[k].state == 1; shut(k); if (busy) { errors++; finish(r, -1); } return; }
        c[k].len += n; c[k].buf[c[k].len] = 0;
        if (c[k].state != 2) continue;
        char *h = strstr(c[k].buf, "\r\n\r\n"), *l = strcasestr(c[k].buf, "content-length:");
        if (!h) continue;
        int body = l && l < h ? atoi(l + 15) : 0;
        if (c[k].len < h + 4 - c[k].buf + body) continue;
        int r = c[k].req, status = atoi(c[k].buf + 9);
        char *z = strcasestr(c[k].buf, "connection: close");
        if (fresh || (z && z < h)) shut(k);
        else { c[k].state = 3; c[k].req = -1; c[k].len = 0; idle[nidle++] = k; }
        finish(r, status);
        return;
    }
}

int main(int argc, char **argv) {
    const char *out = "olg.csv", *sched = 0; double tmo = 20, secs = 10; int o;
    while ((o = getopt(argc, argv, "p:o:T:s:nc:d:u:t:")) != -1) switch (o) {
        case 'p': port = atoi(optarg); break; case 'o': out = optarg; break; case 'T': tmo = atof(optarg); break;
        case 's': sched = optarg; break; case 'n': fresh = 1; break; case 'c': clients = atoi(optarg); break;
        case 'd': secs = atof(optarg); break; case 'u': url = optarg; break; case 't': sscanf(optarg, "%lf,%lf", &lo, &hi); break;
        default: return 2;
    }
    struct rlimit rl = { 65536, 65536 }; setrlimit(RLIMIT_NOFILE, &rl);
    prctl(PR_SET_TIMERSLACK, 1000);
    q = calloc(MAXREQ, sizeof *q); c = calloc(MAXCONN, sizeof *c); idle = calloc(MAXCONN, sizeof *idle); freec = calloc(MAXCONN, sizeof *freec);
    for (int k = MAXCONN - 1; k >= 0; k--) freec[nfree++] = k;
    ep = epoll_create1(0); timeout_ns = tmo * 1e9;
    if (sched) {
        FILE *f = fopen(sched, "r"); char p[256]; long long at;
        while (nreq < MAXREQ && fscanf(f, "%lld %255s", &at, p) == 2) { q[nreq].intended = at; q[nreq].path = strdup(p); q[nreq++].client = -1; }
        fclose(f);
    } else { wake = calloc(clients, sizeof *wake); stop_at = secs * 1e9; }
    t0 = now() + 20000000;
    struct epoll_event ev[256];
    for (;;) {
        int64_t t = now() - t0, next = INT64_MAX;
        if (sched) {
            while (started < nreq && q[started].intended <= t) start(started++);
            if (started < nreq) next = q[started].intended;
        } else if (t >= 0) {
            for (int k = 0; k < clients; k++) if (wake[k] >= 0) {
                if (wake[k] >= stop_at) { wake[k] = -1; continue; }
                if (wake[k] <= t && started < MAXREQ) {
                    int r = started++; q[r].intended = wake[k]; q[r].path = url; q[r].client = k; wake[k] = -1; start(r);
                } else if (wake[k] < next) next = wake[k];
            }
        } else next = 0;
        while (oldest < started && (q[oldest].status != -2 || q[oldest].intended + timeout_ns <= t)) {
            if (q[oldest].status == -2) { shut(q[oldest].conn); finish(oldest, 0); }
            oldest++;
        }
        if (oldest < started && q[oldest].intended + timeout_ns < next) next = q[oldest].intended + timeout_ns;
        if (!sched) for (int k = 0; k < clients; k++) if (wake[k] >= 0 && wake[k] < next) next = wake[k];
        if (next == INT64_MAX && !unfinished) break;
        int64_t d = next == INT64_MAX ? 1000000000 : next - (now() - t0);
        if (d < 0) d = 0;
        struct timespec w = { d / 1000000000, d % 1000000000 };
        int n = epoll_pwait2(ep, ev, 256, &w, 0);
        for (int j = 0; j < n; j++) {
            int k = ev[j].data.u32;
            if (c[k].state == 1 && ev[j].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
                int e = 0; socklen_t z = sizeof e; getsockopt(c[k].fd, SOL_SOCKET, SO_ERROR, &e, &z);
                if (e) { int r = c[k].req; errors++; shut(k); finish(r, -1); continue; }
                q[c[k].req].up = now() - t0;
                send_request(k);
            }
            if (c[k].state && ev[j].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readable(k);
        }
    }
    FILE *f = fopen(out, "w");
    fprintf(f, "%lld %d %d %d\n", (long long)t0, started, opened, errors);
    for (int r = 0; r < started; r++)
        fprintf(f, "%d,%lld,%lld,%lld,%d,%lld\n", r, (long long)q[r].intended, (long long)q[r].send, (long long)q[r].done, q[r].status, (long long)q[r].up);
    fclose(f);
    return 0;
}
