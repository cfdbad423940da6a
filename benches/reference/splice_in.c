/* What the kernel allows for streaming in: a plain HTTP body from its socket into a FIFO, its standard output;
 * blocking, one stream, no recovery.
 *   splice_in PORT PATH PIPE_BYTES RCVBUF_BYTES >FIFO */
#include "get.h"

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    if (fcntl(1, F_SETPIPE_SZ, atoi(argv[3])) < 0)
        fail("F_SETPIPE_SZ");
    int sock = get(argv[1], argv[2], atoi(argv[4]));
    ssize_t moved;
    while ((moved = splice(sock, 0, 1, 0, 1 << 20, SPLICE_F_MOVE | SPLICE_F_MORE)) > 0)
        ;
    if (moved < 0)
        fail("splice");
    return 0;
}
