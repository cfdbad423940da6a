/* Writes so many bytes of text, in blocks of 1 MiB, into a FIFO or into its standard output: in a container.
 *   fill BYTES [FIFO] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char block[1 << 20];
    if (argc < 2)
        return 2;
    int out = argc > 2 ? open(argv[2], O_WRONLY) : 1;
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = i % 100 == 99 ? '\n' : ' ' + (i * 31 + i / 100) % 95;
    for (long left = atol(argv[1]); left > 0;) {
        ssize_t wrote = write(out, block, left < (long)sizeof block ? left : (long)sizeof block);
        if (wrote < 0) {
            perror("fill");
            return 1;
        }
        left -= wrote;
    }
    return 0;
}
