/* Preloaded into a process, this makes its wall clock jump. The monotonic clocks stay as they are.

   The file $WALL_CLOCKS/<node id> holds the offset in nanoseconds, as 8 bytes of the machine. The node id is the value of
   the first variable that ends in _NODE_ID. A process without one, or without the file, has the true time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static const volatile int64_t *offset_ns;
static int (*true_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find_offset(void) {
    char path[4096];
    const char *folder = getenv("WALL_CLOCKS"), *node = NULL;
    true_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    for (char **entry = environ; *entry != NULL && node == NULL; entry++) {
        const char *value = strchr(*entry, '=');
        if (value != NULL && value - *entry > 8 && memcmp(value - 8, "_NODE_ID", 8) == 0) {
            node = value + 1;
        }
    }
    if (folder == NULL || node == NULL || snprintf(path, sizeof path, "%s/%s", folder, node) >= (int)sizeof path) {
        return;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) {
        offset_ns = mapped;
    }
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = true_clock(id, now);
    if (failed == 0 && offset_ns != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + *offset_ns;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    (void)zone;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *where) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (where != NULL) {
        *where = exact.tv_sec;
    }
    return exact.tv_sec;
}
