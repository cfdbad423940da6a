/* drain FIFO: opens its argument, reads to the end, prints how many bytes came. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char block[1 << 20];
    long total = 0;
    ssize_t got = -1;
    int in = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (in >= 0)
        while ((got = read(in, block, sizeof block)) > 0)
            total += got;
    if (got < 0) {
        perror("drain");
        return 1;
    }
    printf("%ld\n", total);
    return 0;
}
