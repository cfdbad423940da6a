/* reader READINGS BYTEWISE FIFO: opens the FIFO READINGS times in one process, each time as soon as it has
 * closed it; of each reading the first BYTEWISE bytes are read one at a time, the rest in blocks of 64 KiB.
 * What was read goes to stdout. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char block[1 << 16];

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: reader READINGS BYTEWISE FIFO\n", stderr);
        return 2;
    }
    long readings = atol(argv[1]), bytewise = atol(argv[2]);
    while (readings-- > 0) {
        long total = 0;
        ssize_t got;
        int in = open(argv[3], O_RDONLY);
        if (in < 0)
            return fail("open");
        while ((got = read(in, block, total < bytewise ? 1 : sizeof block)) > 0) {
            for (ssize_t put = 0, sent; put < got; put += sent)
                if ((sent = write(1, block + put, got - put)) < 0)
                    return fail("write");
            total += got;
        }
        if (got < 0)
            return fail("read");
        close(in);
    }
    return 0;
}
