/* Reads a FIFO in a container: throws away a burst, then takes messages of 100 bytes that begin with the time at
 * which they were sent, by the kernel's monotonic clock in ns. Prints how many ns each of them was on its way,
 * leaving out those that were sent before this program read.
 *   arrivals BURST_BYTES FIFO */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000L + at.tv_nsec;
}

int main(int argc, char **argv)
{
    static char block[1 << 20];
    if (argc != 3)
        return 2;
    long burst = atol(argv[1]), reads_from;
    int in = open(argv[2], O_RDONLY);
    ssize_t got = 1;
    if (in < 0)
        return 1;
    while (burst > 0 && got > 0) {
        got = read(in, block, burst < (long)sizeof block ? burst : (long)sizeof block);
        burst -= got;
    }
    reads_from = now();
    for (size_t held = 0; (got = read(in, block + held, 100 - held)) > 0;) {
        held += got;
        if (held < 100)
            continue;
        held = 0;
        long sent = atol(block);
        if (sent >= reads_from)
            printf("%ld\n", now() - sent);
    }
    return got < 0;
}
